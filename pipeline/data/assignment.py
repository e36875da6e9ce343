"""Which images a user's data set has: each with its mask, its split, its sequence and the name that it gets."""

import hashlib
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.artifacts.manifest import SPLITS
from pipeline.data import annotations, columns, pairing, splits
from pipeline.data.annotations import Drawing
from pipeline.data.pairing import Pair
from pipeline.params.dataset import Carved, FolderDataset, FolderSplits, ListSplits, RatioSplits

_COLUMNS = ("split", "sequence", "name", "image", "mask")
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


def jobs(settings: FolderDataset, root: Path) -> Collection[Job]:
    """Return every image of the data set in the folder `root`, by ascending id, split/name.

    Raises:
        ValueError: the globs, the lists, the splits or the files of annotations do not match.
    """
    pairs, drawings = _pairs(settings, root)
    assigned = _assigned(settings, root, pairs, drawings)
    del pairs
    texts = columns.table(_COLUMNS, _rows(assigned, root, settings.sequence))
    del assigned

    def job(split: str, sequence: str, name: str, image: str | None, mask: str | None) -> Job:
        pair = Pair(image, mask)
        return Job(split, sequence, name, pair, drawings.get(pair))

    return columns.Items(_named_apart(texts), job)


def _rows(assigned: splits.Assignment, root: Path, pattern: str) -> Iterator[tuple[str | None, ...]]:
    """Yield the columns of each image, whose names may be equal."""
    for split, members in assigned.items():
        for pair in members:
            yield split, _sequence(root, pair, pattern), _name(pair.path), pair.image, pair.mask


def _named_apart(texts: pa.Table) -> pa.Table:
    """Return the rows by ascending id; of equal names in a split, all but the first get a hash of the path."""
    texts = texts.sort_by([("split", "ascending"), ("name", "ascending")])  # stable
    again = pc.and_(columns.equals_last(texts["split"]), columns.equals_last(texts["name"]))
    if not pc.any(again).as_py():
        return texts
    repeated = columns.rows(texts.filter(again))
    names = pa.array([_with_hash(name, image or mask) for _, _, name, image, mask in repeated], pa.large_string())
    replaced = pc.replace_with_mask(texts["name"].combine_chunks(), again, names)
    return _named_apart(texts.set_column(_COLUMNS.index("name"), "name", replaced))


def is_whole(root: Path, job: Job) -> bool:
    """Return whether an image is there, and its mask or the file of its annotations, unless it is drawn without one."""
    needed = [job.pair.image] if is_background(job) else [job.pair.image, job.pair.mask]
    return all(path is not None and is_file(root / path) for path in needed)


def is_background(job: Job) -> bool:
    """Return whether an image has no annotations, which says that no object is in it."""
    return job.drawing is not None and job.pair.mask is None


def is_file(path: Path) -> bool:
    """Return whether there is such a file: a list may name what no file system holds, for which pathlib raises."""
    return os.path.isfile(path)  # noqa: PTH113


def _pairs(settings: FolderDataset, root: Path) -> tuple[Collection[Pair] | None, Mapping[Pair, Drawing]]:
    """Return all pairs, None if the lists of the splits name them, and what draws the masks of annotated images."""
    if settings.images is None or settings.masks is None:
        return None, {}
    if settings.is_annotated:
        return annotations.read(root, settings.images, settings.masks, settings.mask_kind)
    return pairing.find(root, settings.images, settings.masks), {}


def _assigned(
    settings: FolderDataset, root: Path, pairs: Collection[Pair] | None, drawings: Mapping[Pair, Drawing]
) -> splits.Assignment:
    """Return the pairs of each split; a share of the training images is taken out where `val` says so."""
    rule = settings.splits
    given = {split: getattr(rule, split) for split in splits_of(rule)}

    def drawn(members: Collection[Pair], shares: Mapping[str, float], seed: int) -> splits.Assignment:
        sequences = [_sequence(root, pair, settings.sequence) for pair in members]
        usable = [_is_usable(root, pair, drawings) for pair in members]
        return splits.by_ratio(members, sequences, shares, seed, is_usable=usable)

    if isinstance(rule, RatioSplits):
        return drawn(pairs or (), given, rule.seed)
    named = {split: value for split, value in given.items() if not isinstance(value, Carved)}
    if isinstance(rule, FolderSplits):
        assigned = splits.by_folder(pairs or (), named)
    else:
        assigned = splits.by_list(pairs, root, named)
    if isinstance(rule.val, Carved):
        shares = {"train": 1 - rule.val.share, "val": rule.val.share}
        carved = drawn(assigned["train"], shares, rule.val.seed)
        assigned = {**carved, **{split: members for split, members in assigned.items() if split != "train"}}
    return assigned


def _is_usable(root: Path, pair: Pair, drawings: Mapping[Pair, Drawing]) -> bool:
    """Return whether an image and its mask are there, as far as is known without a look at files that globs matched."""
    if pair in drawings:  # a file of annotations may name images that are not there
        return pair.image is not None and is_file(root / pair.image)
    return pair.image is not None and pair.mask is not None


def _sequence(root: Path, pair: Pair, pattern: str) -> str:
    """Return the text that the pattern's group matches; an image that is not there need not match, and gives ""."""
    match = re.search(pattern, pair.path)
    if match is not None and match[1] is not None:
        return sys.intern(match[1])  # many images share one
    if pair.image is None or not is_file(root / pair.image):
        return ""
    raise ValueError(f"expected dataset.sequence {pattern} to match every image's path, got {pair.path}; widen it")


def _name(path: str) -> str:
    """Return the path as a file name without suffix; a hash of the path takes the place of what is too long."""
    name = re.sub(r"[^\w.-]", "_", str(PurePosixPath(path).with_suffix("")).replace("/", "__"))
    return name if len(name.encode()) <= _LONGEST_NAME else _with_hash(name, path)


def _with_hash(name: str, path: str) -> str:
    """Return the end of a name with a hash of the path."""
    digest = hashlib.sha256(path.encode()).hexdigest()[:16]
    return f"{name.encode()[-_LONGEST_NAME:].decode(errors='ignore')}-{digest}"
