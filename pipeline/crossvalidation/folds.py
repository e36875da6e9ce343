"""Folds: which images are held out in turn, so that none of a sequence is learnt from and held out at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

import numpy as np

from pipeline.core import frames

GAP = 5
"""Where a sequence is cut, what lies within so many of its usual steps of a held-out image is not learnt from."""


@dataclass(frozen=True)
class Image:
    """An image that may be held out."""

    id: str
    """<split>/<name>, unique; the last number in it counts frames."""
    sequence: str


@dataclass(frozen=True)
class Fold:
    """A part of the images is held out, another chooses the epoch, the others are learnt from."""

    name: str
    """The sequences that are held out, or the part of one."""
    train: tuple[str, ...]
    """Ids, sorted; likewise the others."""
    val: tuple[str, ...]
    held_out: tuple[str, ...]
    left_out: tuple[str, ...]
    """Too close to held-out images."""


@dataclass(frozen=True)
class _Block:
    name: str
    ticks: Mapping[str, tuple[str, int]]
    """Sequence and time of each image by its id; time in the sequence's usual steps."""


def split(images: Sequence[Image], count: int) -> tuple[Fold, ...]:
    """Return `count` folds, whose held-out images are a partition of `images`; the order of the images does not matter.

    With at least as many sequences as folds, each sequence is in one fold as a whole: the largest come first, each goes
    to the fold that has the fewest images. With fewer, the longest ones are cut into parts of equal duration, each a
    fold; images within `GAP` steps of a held-out one are then left out. Each fold chooses its epoch on the next
    fold's images.

    Raises:
        ValueError: there are too few images, or no image is left to learn from or to choose the epoch by.
    """
    if count < 3:
        raise ValueError(f"expected at least 3 folds (to learn from, choose the epoch by, hold out), got {count}")
    if len(images) < count:
        raise ValueError(f"expected at least {count} images for {count} folds, got {len(images)}; use fewer folds")
    ids: dict[str, list[str]] = {}
    for image in images:
        ids.setdefault(image.sequence, []).append(image.id)
    ticks = {name: _ticks(sorted(own)) for name, own in sorted(ids.items())}
    blocks = _whole(ticks, count) if len(ticks) >= count else _parts(ticks, count)
    folds = tuple(_fold(blocks, i) for i in range(count))
    for fold in folds:
        if not fold.train or not fold.val:
            raise ValueError(
                f"expected images further than {GAP} steps from {fold.name}, to learn from and to choose the epoch by, "
                f"got {len(fold.train)} and {len(fold.val)}; use {'fewer' if count > 3 else 'more'} folds, or more data"
            )
    return folds


def _ticks(ids: Sequence[str]) -> dict[str, int]:
    """Return the time of each image of a sequence in its usual steps, from 0, in order.

    The last number of an id is its frame; the usual step is the median of the frames' distances. CamVid has a label
    every 30 frames, but in 0016E5 one every 2 frames for a while: these share a few ticks. Images without numbers, or
    with equal ones, count 1 each, by name, whatever their split.
    """
    names = [each.partition("/")[2] for each in ids]
    order, numbers = frames.in_time(names), frames.numbers(names)
    if numbers is None:
        return {ids[i]: tick for tick, i in enumerate(order)}
    times = [numbers[i] for i in order]
    step = median_low([b - a for a, b in pairwise(times)] or [1])
    return {ids[i]: (time - times[0]) // step for i, time in zip(order, times, strict=True)}


def _whole(ticks: Mapping[str, Mapping[str, int]], count: int) -> list[_Block]:
    """Return blocks of whole sequences with about the same number of images."""
    members, sizes = [list[str]() for _ in range(count)], [0] * count
    for name in sorted(ticks, key=lambda name: (-len(ticks[name]), name)):
        smallest = sizes.index(min(sizes))
        members[smallest].append(name)
        sizes[smallest] += len(ticks[name])
    own = [{each: (name, tick) for name in names for each, tick in ticks[name].items()} for names in members]
    return [_Block(", ".join(names), places) for names, places in zip(members, own, strict=True)]


def _parts(ticks: Mapping[str, Mapping[str, int]], count: int) -> list[_Block]:
    """Return blocks that are sequences, or parts of equal duration of the longest ones."""
    moments = {name: sorted(set(own.values())) for name, own in ticks.items()}
    cuts = dict.fromkeys(moments, 1)
    for _ in range(count - len(cuts)):
        cuts[max(cuts, key=lambda name: len(moments[name]) / cuts[name])] += 1
    blocks = []
    for name, number in cuts.items():
        if number > len(moments[name]):
            raise ValueError(f"expected {number} moments in {name}, got {len(moments[name])}; use fewer folds")
        for i, part in enumerate(np.array_split(moments[name], number), 1):
            own = {each: (name, tick) for each, tick in ticks[name].items() if part[0] <= tick <= part[-1]}
            blocks.append(_Block(name if number == 1 else f"{name}, part {i} of {number}", own))
    return blocks


def _fold(blocks: Sequence[_Block], index: int) -> Fold:
    """Return the fold in which the block `index` is held out, and the next one chooses the epoch."""
    held, after = blocks[index], (index + 1) % len(blocks)
    spans: dict[str, tuple[int, int]] = {}
    for sequence, tick in held.ticks.values():
        first, last = spans.get(sequence, (tick, tick))
        spans[sequence] = min(first, tick), max(last, tick)

    def is_close(sequence: str, tick: int) -> bool:
        span = spans.get(sequence)
        return span is not None and span[0] - GAP <= tick <= span[1] + GAP

    others = {i: block.ticks for i, block in enumerate(blocks) if i != index}
    close = {each for ticks in others.values() for each, place in ticks.items() if is_close(*place)}
    val = others[after].keys() - close
    train = {each for i, ticks in others.items() if i != after for each in ticks} - close
    return Fold(held.name, *(tuple(sorted(ids)) for ids in (train, val, held.ticks, close)))
