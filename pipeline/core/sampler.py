"""The training order: which tile is at which position of an endless stream of shuffled passes.

A pass shows every tile once, in its own order, or tiles with rare classes more often than others; a step takes the next
positions, even if they span two passes, as in the Caffe release. So no batch is ever short, and a step's tiles depend
only on seed and step: not on the number of workers, nor on where training was resumed.
"""

from collections.abc import Callable, Sequence
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Counts, Floats
from pipeline.core.permutation import Numbers, permuted

Kind = Literal["table", "keyed"]
_KEPT = 2  # passes of which a table is kept: a step may lie in two


class Order:
    """The training order of T tiles: a shuffled pass as long as there are tiles, then another one, and so on."""

    def __init__(self, num_tiles: int, seed: int, shares: Floats | None = None, *, kind: Kind = "table") -> None:
        """Take what determines the order.

        Args:
            num_tiles: T.
            seed: of the order.
            shares: each tile's share of a pass, (T,), which add up to 1; a tile is shown T times its share, rounded up
                in some passes and down in others. None: each is shown once.
            kind: whether a pass is shuffled as a table, of 4 bytes for each tile, or each of its tiles is computed from
                its position alone. The two orders differ.
        """
        self._num_tiles, self._seed, self._kind = num_tiles, seed, kind
        self._ends = None if shares is None else np.cumsum(shares)
        self._tables: dict[int, tuple[npt.NDArray[np.int32], float]] = {}

    def tiles_at(self, positions: Sequence[int]) -> list[int]:
        """Return the tile at each position."""
        numbers, places = np.divmod(np.asarray(positions, np.int64), self._num_tiles)
        tiles = np.empty(len(places), np.int64)
        for number in np.unique(numbers).tolist():
            of_pass = numbers == number
            tiles[of_pass] = self._of_pass(number, places[of_pass])
        listed: list[int] = tiles.tolist()
        return listed

    def _of_pass(self, number: int, places: Numbers) -> Numbers:
        """Return the tile at each place of a pass."""
        if self._kind == "table":
            table, offset = self._table(number)
            slots = table[places].astype(np.int64)
        else:
            slots = permuted(places, self._num_tiles, (self._seed, number))
            offset = np.random.default_rng([self._seed, number]).random()
        if self._ends is None:
            return slots
        # Points at equal distances on a line on which each tile has a segment (systematic sampling), rather than T
        # draws: what a tile is shown differs by one at most from pass to pass.
        return np.searchsorted(self._ends[:-1], (slots + offset) / self._num_tiles, side="right")

    def _table(self, number: int) -> tuple[npt.NDArray[np.int32], float]:
        """Return the order of a pass's slots, (T,), and where in its slot a point lies, in [0, 1)."""
        if number not in self._tables:
            generator = np.random.default_rng([self._seed, number])
            offset = 0.0 if self._ends is None else generator.random()
            while len(self._tables) >= _KEPT:
                del self._tables[next(iter(self._tables))]
            self._tables[number] = generator.permutation(self._num_tiles).astype(np.int32), offset
        return self._tables[number]


class Steps(Sequence[list[int]]):
    """The tiles of some steps of an order, all of a step's or a worker's; each is drawn when it is asked for."""

    def __init__(self, order: Order, steps: range, share: Callable[[int], Sequence[int]]) -> None:
        """Take the steps, and what returns the positions of a step."""
        self._order, self._steps, self._share = order, steps, share

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self._steps)

    @overload
    def __getitem__(self, i: int) -> list[int]: ...
    @overload
    def __getitem__(self, i: slice) -> "Steps": ...
    def __getitem__(self, i: int | slice) -> "list[int] | Steps":
        """Return the tiles of the step numbered `i` here, or some of the steps."""
        if isinstance(i, slice):
            return Steps(self._order, self._steps[i], self._share)
        return self._order.tiles_at(self._share(self._steps[i]))


def share(step: int, batch_size: int, *, parts: int, worker: tuple[int, int]) -> list[int]:
    """Return the positions of a worker's tiles of a step in the training order: its share of each part of the batch.

    So all workers' tiles of a part, which batch normalisation sees together, are the same for any number of workers.

    Args:
        step: 0-based.
        batch_size: tiles of a step, a multiple of the parts times the number of workers.
        parts: in which a batch is processed, one after the other.
        worker: its rank, and the number of workers.

    Example:
        The second batch of 8 has the parts 8 to 11 and 12 to 15, of which the second of two workers has the later half.

        >>> share(1, 8, parts=2, worker=(1, 2))
        [10, 11, 14, 15]
    """
    rank, world_size = worker
    of_part = batch_size // parts
    size = of_part // world_size
    starts = ((step * parts + part) * of_part + rank * size for part in range(parts))
    return [position for start in starts for position in range(start, start + size)]


def shares_by_class(pixels_TC: Counts, class_share: float) -> Floats:
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
        array([0.25, 0.25, 0.5 ])
    """
    per_class = pixels_TC[:, :-1]
    occurring = per_class[:, per_class.any(axis=0)]
    by_class_T = (occurring / occurring.sum(axis=0)).mean(axis=1)
    shares_T: Floats = (1 - class_share) / len(by_class_T) + class_share * by_class_T
    return shares_T


def steps_before(epoch: int, num_tiles: int, batch_size: int) -> int:
    """Return the number of steps of `batch_size` tiles before `epoch` (0-based) starts.

    Example:
        10 tiles in steps of 4: the first epoch has 3 steps, which show 12 tiles, so the second needs only 2.

        >>> [steps_before(epoch, 10, 4) for epoch in range(4)]
        [0, 3, 5, 8]
    """
    return -(-epoch * num_tiles // batch_size)
