"""The training order: which tile is at which position of an endless stream of shuffled passes.

A pass shows every tile once, in its own order; a step takes the next positions, even if they span two passes, as in
the Caffe release. So no batch is ever short, no tile is ever left out, and a step's tiles depend only on seed and step:
not on the number of workers, nor on where training was resumed.
"""

from functools import lru_cache

import numpy as np


def tiles_at(positions: range, num_tiles: int, seed: int) -> list[int]:
    """Return the tile at each position: a shuffled pass of all tiles, then another one, and so on."""
    return [_pass(position // num_tiles, num_tiles, seed)[position % num_tiles] for position in positions]


def steps_before(epoch: int, num_tiles: int, batch_size: int) -> int:
    """Return the number of steps of `batch_size` tiles before `epoch` (0-based) starts.

    Example:
        10 tiles in steps of 4: the first epoch has 3 steps, which show 12 tiles, so the second needs only 2.

        >>> [steps_before(epoch, 10, 4) for epoch in range(4)]
        [0, 3, 5, 8]
    """
    return -(-epoch * num_tiles // batch_size)


@lru_cache(maxsize=4)
def _pass(number: int, num_tiles: int, seed: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng([seed, number]).permutation(num_tiles).tolist())
