"""Which images a user's data set has: each with its mask, its split, its sequence and the name that it gets."""

import hashlib
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow.compute as pc

from pipeline.artifacts.manifest import SPLITS
from pipeline.data import annotations, columns, pairing, splits
from pipeline.data.annotations import Drawing
from pipeline.data.pairing import Pair
from pipeline.params.dataset import Carved, FolderDataset, FolderSplits, ListSplits, RatioSplits

_LONGEST_NAME = 150  # bytes; file systems allow 255, including the suffix
Splits = FolderSplits | ListSplits | RatioSplits


@dataclass(frozen=True, slots=True)
class Job:
    """One image, and the split, sequence and name that it gets."""

    split: str
    sequence: str
    name: str
    pair: Pair
    drawing: Drawing | None
    """Draws the mask of an annotated image."""


def splits_of(rule: Splits) -> tuple[str, ...]:
    """Return the splits that there are: all, or all but test."""
    return SPLITS if rule.test is not None else SPLITS[:-1]


class Jobs(Collection[Job]):
    """Jobs by ascending id, split/name; they are columns of texts, of which a few thousand are objects at a time."""

    def __init__(self, jobs: Iterator[Job], drawings: Mapping[Pair, Drawing]) -> None:
        """Take the jobs one after the other, and what draws the masks of annotated images."""
        names = ("split", "sequence", "name", "image", "mask")
        found = columns.table(names, ((j.split, j.sequence, j.name, j.pair.image, j.pair.mask) for j in jobs))
        order = pc.sort_indices(found, sort_keys=[("split", "ascending"), ("name", "ascending")])
        self._table, self._drawings = found.take(order), drawings

    def __len__(self) -> int:
        """Return their number."""
        return len(self._table)

    def __iter__(self) -> Iterator[Job]:
        """Yield them by ascending id."""
        for split, sequence, name, image, mask in columns.rows(self._table):
            pair = Pair(image, mask)
            yield Job(split, sequence, name, pair, self._drawings.get(pair))

    def __contains__(self, job: object) -> bool:
        """Return whether `job` is one of them."""
        return any(each == job for each in self)


def jobs(settings: FolderDataset, root: Path) -> Jobs:
    """Return every image of the data set in the folder `root`, by ascending id.

    Raises:
        ValueError: the globs, the lists, the splits or the files of annotations do not match.
    """
    pairs, drawings = _pairs(settings, root)
    assigned = _assigned(settings, root, pairs)
    del pairs
    return Jobs(_named(assigned, root, settings.sequence), drawings)


def _named(assigned: splits.Assignment, root: Path, pattern: str) -> Iterator[Job]:
    for split, members in assigned.items():
        taken: set[str] = set()
        for pair in members:
            name = _name(pair.path, taken)
            taken.add(name)
            yield Job(split, _sequence(root, pair, pattern), name, pair, drawing=None)


def is_file(path: Path) -> bool:
    """Return whether there is such a file: a list may name what no file system holds, for which pathlib raises."""
    return os.path.isfile(path)  # noqa: PTH113


def _pairs(settings: FolderDataset, root: Path) -> tuple[list[Pair] | None, Mapping[Pair, Drawing]]:
    """Return all pairs, None if the lists of the splits name them, and what draws the masks of annotated images."""
    if settings.images is None or settings.masks is None:
        return None, {}
    if settings.is_annotated:
        return annotations.read(root, settings.images, settings.masks, settings.mask_kind)
    return pairing.find(root, settings.images, settings.masks), {}


def _assigned(settings: FolderDataset, root: Path, pairs: Sequence[Pair] | None) -> splits.Assignment:
    """Return the pairs of each split; a share of the training images is taken out where `val` says so."""
    rule = settings.splits
    given = {split: getattr(rule, split) for split in splits_of(rule)}
    if isinstance(rule, RatioSplits):
        members = list(pairs or ())
        return splits.by_ratio(
            members, [_sequence(root, pair, settings.sequence) for pair in members], given, rule.seed
        )
    named = {split: value for split, value in given.items() if not isinstance(value, Carved)}
    if isinstance(rule, FolderSplits):
        assigned = splits.by_folder(list(pairs or ()), named)
    else:
        assigned = splits.by_list(pairs, root, named)
    if isinstance(rule.val, Carved):
        train = assigned["train"]
        shares = {"train": 1 - rule.val.share, "val": rule.val.share}
        carved = splits.by_ratio(
            train, [_sequence(root, pair, settings.sequence) for pair in train], shares, rule.val.seed
        )
        assigned = {**carved, **{split: members for split, members in assigned.items() if split != "train"}}
    return assigned


def _sequence(root: Path, pair: Pair, pattern: str) -> str:
    """Return the text that the pattern's group matches; an image that is not there need not match, and gives ""."""
    match = re.search(pattern, pair.path)
    if match is not None and match[1] is not None:
        return sys.intern(match[1])  # many images share one
    if pair.image is None or not is_file(root / pair.image):
        return ""
    raise ValueError(f"expected dataset.sequence {pattern} to match every image's path, got {pair.path}; widen it")


def _name(path: str, taken: set[str]) -> str:
    """Return the path as a file name without suffix; a hash of the path keeps shortened and equal names apart."""
    name = re.sub(r"[^\w.-]", "_", str(PurePosixPath(path).with_suffix("")).replace("/", "__"))
    if name not in taken and len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(path.encode()).hexdigest()[:16]
    return f"{name.encode()[-_LONGEST_NAME:].decode(errors='ignore')}-{digest}"
