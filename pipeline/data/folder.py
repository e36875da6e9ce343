"""A user's own images and masks: images are copied unchanged, masks are converted to index masks."""

import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.data import pairing, splits
from pipeline.data.pairing import Pair
from pipeline.data.source import Source, SourceImage
from pipeline.files import repository
from pipeline.files.images import ImageError, LossyError, encode_png, read_colours, read_mask, read_orientation
from pipeline.files.threads import on_all_cores
from pipeline.params.dataset import ClassRow, FolderDataset, FolderSplits, ListSplits

Labels = npt.NDArray[np.int16]

_OUTSIDE = -1  # label of a pixel that the class table does not name
_STRIP = 2**20  # pixels converted at once
_SHOWN = 5  # labels that the class table does not name
_LONGEST_NAME = 150  # bytes; file systems allow 255, including the suffix


@dataclass(frozen=True)
class _Job:
    """One image, and the split, sequence and name that it gets."""

    split: str
    sequence: str
    name: str
    pair: Pair


def write(settings: FolderDataset, folder: Path) -> Source:
    """Put a user's images and index masks into `folder`, using all cores.

    A missing image or mask, or an unreadable mask, is recorded in its entry and is not an error.

    Raises:
        ValueError: the folder, the globs or the splits do not match, a file lies where a stage writes, a link leads out
            of the folder, or a mask was compressed with losses.
    """
    root = repository.user_path(settings.path)
    if not root.is_dir():
        raise ValueError(f"expected a folder as dataset.path, got {settings.path}; correct the path")
    jobs = _jobs(settings, root, pairing.find(root, settings.images, settings.masks))
    for job in jobs:
        for path in filter(None, (job.pair.image, job.pair.mask)):
            if _is_file(root / path):
                _check_place(root, path)
    classes = class_table(settings.classes)
    convert = partial(_write, root, folder, labels(settings, classes), classes.void)
    masks = [root / job.pair.mask for job in jobs if job.pair.mask is not None]
    entries = on_all_cores(convert, jobs, "converting masks", images=masks)
    licence = "The user's own images: whoever trains on them is responsible for having the right to do so."
    return Source(settings.title, classes, licence, tuple(entries))


def class_table(rows: Sequence[ClassRow]) -> ClassTable:
    """Return the classes that are not ignored; rows of the same name are one class, with the first row's colour.

    Void has the first ignored row's colour, or black.
    """
    colours = {row.name: row.colour for row in reversed(rows) if not row.ignore}
    names = tuple(dict.fromkeys(row.name for row in rows if not row.ignore))
    void_colour = next((row.colour for row in rows if row.ignore), (0, 0, 0))
    return ClassTable(names, tuple(colours[name] for name in names), void_colour, published_weights=None)


def labels(settings: FolderDataset, classes: ClassTable) -> Labels:
    """Return the index of each mask value, (256,), or of each colour red * 65536 + green * 256 + blue, (2**24,), int16.

    Ignored rows are void; values and colours in no row are -1.
    """
    table = np.full(2**8 if settings.mask_kind == "index" else 2**24, _OUTSIDE, np.int16)
    for row in settings.classes:
        code = row.value if settings.mask_kind == "index" else int.from_bytes(row.colour)
        table[code] = classes.void if row.ignore else classes.names.index(row.name)
    return table


def to_index(mask: Pixels, table: Labels, void: int) -> tuple[Pixels, npt.NDArray[np.bool_], Counter[int]]:
    """Return the index mask (H, W) uint8, which pixels hold a label that the table does not name, and how many of each.

    Such pixels, (H, W) bool, become void. A colour's label is red * 65536 + green * 256 + blue.

    Args:
        mask: values (H, W) or colours (H, W, 3), uint8.
        table: index of each value or colour, as `labels` returns it.
        void: index of unlabelled pixels.
    """
    indices, unknown = np.empty(mask.shape[:2], np.uint8), np.empty(mask.shape[:2], np.bool_)
    outside = Counter[int]()
    rows = max(1, _STRIP // mask.shape[1])
    for top in range(0, len(mask), rows):
        strip = mask[top : top + rows]
        codes = strip if strip.ndim == 2 else strip @ np.array([65_536, 256, 1])
        strip_indices = table[codes]
        unknown[top : top + rows] = strip_unknown = strip_indices == _OUTSIDE
        outside.update(
            dict(zip(*(part.tolist() for part in np.unique(codes[strip_unknown], return_counts=True)), strict=True))
        )
        strip_indices[strip_unknown] = void
        indices[top : top + rows] = strip_indices
    return indices, unknown, outside


def _check_place(root: Path, path: str) -> None:
    """Raise ValueError if a file lies where a stage writes, or a link leads out of the data set to it."""
    place = (root / path).resolve()
    if not place.is_relative_to(root.resolve()):
        raise ValueError(
            f"expected files in {root}, got {path}, a link that leads out of it; copy what it links to, or set "
            "dataset.path to the folder that holds it"
        )
    if (written := repository.written_folder(place)) is not None:
        raise ValueError(
            f"expected a data set outside {written}, whose content this pipeline replaces, got {place}; move the data "
            "set, for example to data/own, and correct dataset.path; nothing was changed"
        )


def _jobs(settings: FolderDataset, root: Path, pairs: Sequence[Pair]) -> list[_Job]:
    sequence_of = {pair: _sequence(pair, settings.sequence) for pair in pairs}
    rule = settings.splits
    by_split = rule.model_dump(include={"train", "val", "test"})
    if isinstance(rule, FolderSplits):
        assigned = splits.by_folder(pairs, by_split)
    elif isinstance(rule, ListSplits):
        assigned = splits.by_list(pairs, root, by_split)
    else:
        assigned = splits.by_ratio(pairs, [sequence_of[pair] for pair in pairs], by_split, rule.seed)
    jobs = []
    for split, members in assigned.items():
        taken: set[str] = set()
        for pair in members:
            name = _name(pair.path, taken)
            taken.add(name)
            jobs.append(_Job(split, sequence_of.get(pair, ""), name, pair))
    return jobs


def _sequence(pair: Pair, pattern: str) -> str:
    """Return the text that the pattern's group matches; a mask without an image need not match, and gives ""."""
    match = re.search(pattern, pair.path)
    if match is not None and match[1] is not None:
        return match[1]
    if pair.image is None:
        return ""
    raise ValueError(f"expected dataset.sequence {pattern} to match every image's path, got {pair.path}; widen it")


def _name(path: str, taken: set[str]) -> str:
    """Return the path as a file name without suffix; a hash of the path keeps shortened and equal names apart."""
    name = re.sub(r"[^\w.-]", "_", str(PurePosixPath(path).with_suffix("")).replace("/", "__"))
    if name not in taken and len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(path.encode()).hexdigest()[:16]
    return f"{name.encode()[-_LONGEST_NAME:].decode(errors='ignore')}-{digest}"


def _write(root: Path, folder: Path, table: Labels, void: int, job: _Job) -> SourceImage:
    entry = SourceImage(job.split, job.sequence, job.name, image=None, mask=None)
    if job.pair.image is not None and _is_file(root / job.pair.image):
        entry = replace(entry, image=_copy(root / job.pair.image, folder / "images" / job.split / job.name))
    if job.pair.mask is None:
        return entry
    path = root / job.pair.mask
    try:
        pixels, orientation = read_mask(path) if len(table) == 2**8 else read_colours(path), read_orientation(path)
    except LossyError as err:  # no check can tell how many of the labels are wrong
        raise ValueError(f"{path}: {err}") from err
    except ImageError as err:
        return replace(entry, problem=f"mask: {err}", mask=_copy(path, folder / "masks" / job.split / job.name))
    indices, unknown, outside = to_index(pixels, table, void)
    return replace(
        entry,
        mask=_put(indices, folder / "masks" / job.split / f"{job.name}.png"),
        mask_orientation=orientation,
        outside=outside.total(),
        labels_outside=_shown(outside, is_index=len(table) == 2**8),
        outside_mask=_put(unknown, folder / "outside" / job.split / f"{job.name}.png") if outside else None,
    )


def _put(mask: Pixels | npt.NDArray[np.bool_], target: Path) -> Path:
    """Write a mask as PNG, of 1 bit where it is bool; return the path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encode_png(mask))
    return target


def _shown(outside: Counter[int], *, is_index: bool) -> str:
    """Return the labels that the class table does not name, the most frequent first: as the table would name them."""
    texts = [
        f"{code if is_index else list(code.to_bytes(3))} ({count:,} px)" for code, count in outside.most_common(_SHOWN)
    ]
    more = [f"and {len(outside) - _SHOWN} more"] if len(outside) > _SHOWN else []
    return ", ".join(texts + more)


def _is_file(path: Path) -> bool:
    """Return whether there is such a file: a list may name what no file system holds, for which pathlib raises."""
    return os.path.isfile(path)  # noqa: PTH113


def _copy(source: Path, target: Path) -> Path:
    """Copy a file to `target` with the source's suffix; return the copy."""
    target = target.with_name(target.name + source.suffix.lower())
    target.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copyfile(source, target)
