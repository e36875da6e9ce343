"""The training order: which tile is at which position of an endless stream of shuffled passes.

A pass shows every tile once, in its own order, or tiles with rare classes more often than others; a step takes the next
positions, even if they span two passes, as in the Caffe release. So no batch is ever short, and a step's tiles depend
only on seed and step: not on the number of workers, nor on where training was resumed.
"""

from functools import lru_cache

import numpy as np

from pipeline.core.arrays import Counts


def tiles_at(positions: range, num_tiles: int, seed: int, shares: tuple[float, ...] = ()) -> list[int]:
    """Return the tile at each position: a shuffled pass as long as there are tiles, then another one, and so on.

    Args:
        positions: of the training order.
        num_tiles: T.
        seed: of the order.
        shares: each tile's share of a pass, T numbers that add up to 1; a tile is shown T times its share, rounded up
            in some passes and down in others. Empty: each is shown once.
    """
    numbers = sorted({position // num_tiles for position in positions})
    passes = {number: _pass(number, num_tiles, seed, shares) for number in numbers}
    return [passes[position // num_tiles][position % num_tiles] for position in positions]


def shares_by_class(pixels_TC: Counts, class_share: float) -> tuple[float, ...]:
    """Return each tile's share of a pass, of which `class_share` is given to classes and the rest to tiles.

    Each class that occurs is given as much, and shares it out among the tiles in proportion to their pixels of it: a
    tile t has (1 - s) / T + s / K * sum over the K classes c of n_tc / n_c. (Half of each, with classes drawn at
    random, are the epochs of Zhu et al., 1812.01593, Sec. 3.3.)

    Args:
        pixels_TC: (T, C + 1) int64, number of pixels of each class, then of void, in each of T tiles; some labelled.
        class_share: s, in [0, 1].

    Example:
        The only tile with the second class has half of what is given to classes, and a third of the other half.

        >>> shares_by_class(np.array([[4, 0, 0], [4, 0, 0], [4, 2, 0]]), 0.5)
        (0.25, 0.25, 0.5)
    """
    per_class = pixels_TC[:, :-1]
    occurring = per_class[:, per_class.any(axis=0)]
    by_class_T = (occurring / occurring.sum(axis=0)).mean(axis=1)
    return tuple(((1 - class_share) / len(by_class_T) + class_share * by_class_T).tolist())


def steps_before(epoch: int, num_tiles: int, batch_size: int) -> int:
    """Return the number of steps of `batch_size` tiles before `epoch` (0-based) starts.

    Example:
        10 tiles in steps of 4: the first epoch has 3 steps, which show 12 tiles, so the second needs only 2.

        >>> [steps_before(epoch, 10, 4) for epoch in range(4)]
        [0, 3, 5, 8]
    """
    return -(-epoch * num_tiles // batch_size)


@lru_cache(maxsize=4)
def _pass(number: int, num_tiles: int, seed: int, shares: tuple[float, ...]) -> tuple[int, ...]:
    generator = np.random.default_rng([seed, number])
    if not shares:
        return tuple(generator.permutation(num_tiles).tolist())
    # Points at equal distances on a line on which each tile has a segment (systematic sampling), rather than T draws:
    # what a tile is shown differs by one at most from pass to pass.
    points = (np.arange(num_tiles) + generator.random()) / num_tiles
    ends = np.cumsum(shares)
    return tuple(generator.permutation(np.searchsorted(ends[:-1], points, side="right")).tolist())
