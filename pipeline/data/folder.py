"""A user's own images and masks: images are copied unchanged, masks are converted to index masks."""

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.data import assignment, object_store
from pipeline.data.assignment import Job, is_file
from pipeline.data.source import Source, SourceImage
from pipeline.files import repository
from pipeline.files.images import ImageError, LossyError, decode, encode_png, read_colours, read_mask
from pipeline.params.dataset import ClassRow, FolderDataset

Labels = npt.NDArray[np.int16]

_OUTSIDE = -1  # label of a pixel that the class table does not name
_STRIP = 2**20  # pixels converted at once
_SHOWN = 5  # labels that the class table does not name


def write(settings: FolderDataset, folder: Path) -> Source:
    """Return the data set whose `write` puts a user's image and index mask into `folder`.

    A missing image or mask, or an unreadable mask, is reported by its entry and is not an error; a mask that was
    compressed with losses is one.

    Raises:
        ValueError: the folder, the globs or the splits do not match, a file lies where a stage writes, or a link leads
            out of the folder.
    """
    root = located(settings.path)
    return write_jobs(settings, root, assignment.jobs(settings, root), folder)


def located(path: str) -> Path:
    """Return the data set's folder, which dataset.path names; one in an object store is copied to this machine.

    Raises:
        ValueError: there is none.
    """
    if "://" in path:
        return object_store.copied(path)
    root = repository.user_path(path)
    if not root.is_dir():
        raise ValueError(f"expected a folder as dataset.path, got {path}; correct the path")
    return root


def write_jobs(settings: FolderDataset, root: Path, jobs: Collection[Job], folder: Path) -> Source:
    """Return the data set of some of the images, by ascending id; see `write`."""
    _check_places(jobs, root)
    classes = class_table(settings.classes)
    convert = partial(_write, root, folder, _reader(settings, classes), classes.void)
    licence = "The user's own images: whoever trains on them is responsible for having the right to do so."
    there = assignment.splits_of(settings.splits)
    return Source(settings.title, classes, licence, jobs, convert, _opened(root, jobs), there)


def _opened(root: Path, jobs: Collection[Job]) -> Iterator[Path]:
    """Yield the images, and the masks that are images."""
    for job in jobs:
        for path in (job.pair.image, None if job.drawing else job.pair.mask):
            if path is not None and is_file(root / path):
                yield root / path


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
        table[int(code or 0)] = classes.void if row.ignore else classes.names.index(row.name)
    return table


def to_index(
    mask: npt.NDArray[np.unsignedinteger], table: Labels, void: int
) -> tuple[Pixels, npt.NDArray[np.bool_], Counter[int]]:
    """Return the index mask (H, W) uint8, which pixels hold a label that the table does not name, and how many of each.

    Such pixels, (H, W) bool, become void. A colour's label is red * 65536 + green * 256 + blue.

    Args:
        mask: values or codes (H, W), or colours (H, W, 3).
        table: index of each value, code or colour, as `labels` returns it.
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


def _check_places(jobs: Iterable[Job], root: Path) -> None:
    """Raise ValueError as `_check_place` does; of neighbours in a folder that are no links, the first is checked."""
    passed: dict[bool, str] = {}
    for job in jobs:
        for path, is_mask in ((job.pair.image, job.pair.image == job.pair.mask), (job.pair.mask, True)):
            if path is None or not is_file(root / path):
                continue
            folder, is_link = path.rpartition("/")[0], (root / path).is_symlink()
            if is_link or passed.get(is_mask) != folder:
                _check_place(root, path, is_mask=is_mask)
            if not is_link:
                passed[is_mask] = folder


def _check_place(root: Path, path: str, *, is_mask: bool) -> None:
    """Raise ValueError if a file lies where a stage writes, or a link leads out of the data set to it.

    Masks may lie elsewhere, where `masks` says so: they are read, and none is copied.
    """
    place = (root / path).resolve()
    elsewhere = is_mask and (Path(path).is_absolute() or ".." in Path(path).parts)
    if not elsewhere and not place.is_relative_to(root.resolve()):
        raise ValueError(
            f"expected files in {root}, got {path}, a link that leads out of it; copy what it links to, or set "
            "dataset.path to the folder that holds it"
        )
    if (written := repository.written_folder(place)) is not None:
        raise ValueError(
            f"expected a data set outside {written}, whose content this pipeline replaces, got {place}; move the data "
            "set, for example to data/own, and correct dataset.path; nothing was changed"
        )


@dataclass(frozen=True)
class _Coded:
    """A user's mask, and what its pixels mean."""

    pixels: npt.NDArray[np.unsignedinteger]
    """Values, or codes of labels (H, W), or colours (H, W, 3)."""
    table: Labels
    """The index of each value, code or colour."""
    orientation: int
    shown: Callable[[int], str]
    """Returns a value, code or colour as the class table would name it."""


def _reader(settings: FolderDataset, classes: ClassTable) -> Callable[[Path, Job], _Coded]:
    """Return what reads the mask of an image.

    Raises:
        ImageError: a mask cannot be read.
        ValueError: an annotation cannot be drawn.
    """
    if settings.is_annotated:
        index_of = {
            row.value: classes.void if row.ignore else classes.names.index(row.name) for row in settings.classes
        }
        return partial(_drawn, index_of)
    return partial(_stored, labels(settings, classes), settings.mask_kind == "index")


def _drawn(index_of: Mapping[int | str | None, int], path: Path, job: Job) -> _Coded:
    if job.drawing is None:
        raise ValueError(f"expected annotations of {job.pair.image} in {path}, got none")
    drawn = job.drawing()
    table = np.array([index_of.get(name, _OUTSIDE) for name in drawn.names], np.int16)
    shown = [name or "no annotation" for name in drawn.names]
    return _Coded(drawn.codes, table, drawn.orientation, shown.__getitem__)


def _stored(table: Labels, is_index: bool, path: Path, job: Job) -> _Coded:
    decoded = decode(path)
    pixels = read_mask(decoded) if is_index else read_colours(decoded)
    return _Coded(pixels, table, decoded.orientation, str if is_index else _colour_text)


def _colour_text(code: int) -> str:
    return str(list(code.to_bytes(3)))


def _write(root: Path, folder: Path, read: Callable[[Path, Job], _Coded], void: int, job: Job) -> SourceImage:
    entry = SourceImage(job.split, job.sequence, job.name, image=None, mask=None)
    if job.pair.image is not None and is_file(root / job.pair.image):
        entry = replace(entry, image=_copy(root / job.pair.image, folder / "images" / job.split / job.name))
    if job.pair.mask is None:
        return entry
    path = root / job.pair.mask
    try:
        mask = read(path, job)
    except LossyError as err:  # no check can tell how many of the labels are wrong
        raise ValueError(f"{path}: {err}") from err
    except ImageError as err:
        return replace(entry, problem=f"mask: {err}", mask=_copy(path, folder / "masks" / job.split / job.name))
    indices, unknown, outside = to_index(mask.pixels, mask.table, void)
    return replace(
        entry,
        mask=_put(indices, folder / "masks" / job.split / f"{job.name}.png"),
        mask_orientation=mask.orientation,
        outside=outside.total(),
        labels_outside=_shown(outside, mask.shown),
        outside_mask=_put(unknown, folder / "outside" / job.split / f"{job.name}.png") if outside else None,
    )


def _put(mask: Pixels | npt.NDArray[np.bool_], target: Path) -> Path:
    """Write a mask as PNG, of 1 bit where it is bool; return the path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encode_png(mask))
    return target


def _shown(outside: Counter[int], text: Callable[[int], str]) -> str:
    """Return the labels that the class table does not name, the most frequent first: as the table would name them."""
    texts = [f"{text(code)} ({count:,} px)" for code, count in outside.most_common(_SHOWN)]
    more = [f"and {len(outside) - _SHOWN} more"] if len(outside) > _SHOWN else []
    return ", ".join(texts + more)


def _copy(source: Path, target: Path) -> Path:
    """Copy a file to `target` with the source's suffix; return the copy."""
    target = target.with_name(target.name + source.suffix.lower())
    target.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copyfile(source, target)
