"""A user's own images and masks: images are copied unchanged, masks are converted to index masks."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.data import assignment, labels, object_store
from pipeline.data.annotations import Size
from pipeline.data.assignment import Job, is_file
from pipeline.data.labels import Coded
from pipeline.data.source import File, Source, SourceImage
from pipeline.files import repository
from pipeline.files.decoding import read_turned
from pipeline.files.images import ImageError, LossyError, encode_png
from pipeline.files.threads import Images, largest
from pipeline.params.dataset import ClassRow, FolderDataset


class _Loaded(NamedTuple):
    """An image of the user's, and what its files hold; None where there is none."""

    job: Job
    image: bytes | None
    mask: bytes | None
    """The mask, or what an annotation is drawn from."""


def source(settings: FolderDataset) -> Source:
    """Return the data set that makes each image and its index mask of a user's.

    A missing image or mask, or an unreadable mask, is reported by its entry and is not an error; a mask that was
    compressed with losses is one.

    Raises:
        ValueError: the folder, the globs or the splits do not match, a file lies where a stage writes, or a link leads
            out of the folder.
    """
    root = located(settings.path)
    return source_of(settings, root, assignment.jobs(settings, root))


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


def source_of(settings: FolderDataset, root: Path, jobs: Collection[Job]) -> Source:
    """Return the data set of some of the images, by ascending id; see `source`."""
    _check_places(jobs, root)
    classes = class_table(settings.classes)
    make = partial(_make, root, labels.reader(settings, classes), classes.void)
    licence = "The user's own images: whoever trains on them is responsible for having the right to do so."
    known = Images(len(jobs), largest(_opened(root, jobs), 2 * len(jobs)))
    there = assignment.splits_of(settings.splits)
    return Source(settings.title, classes, licence, jobs, partial(_load, root), make, known, there)


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


def _load(root: Path, job: Job) -> Iterator[_Loaded]:
    image, mask = job.pair.image, job.pair.mask
    yield _Loaded(
        job,
        (root / image).read_bytes() if image is not None and is_file(root / image) else None,
        job.drawing.content() if job.drawing else None if mask is None else (root / mask).read_bytes(),
    )


def _make(root: Path, read: Callable[[Job, bytes, Size], Coded], void: int, loaded: _Loaded) -> SourceImage:
    job, image, content = loaded
    entry = SourceImage(job.split, job.sequence, job.name, image=None, mask=None)
    if image is not None:
        entry = replace(entry, image=_unchanged("images", job, job.pair.image, image))
    if content is None:
        return entry
    try:
        mask = read(job, content, partial(read_turned, image or b""))
    except LossyError as err:  # no check can tell how many of the labels are wrong
        raise ValueError(f"{root / str(job.pair.mask)}: {err}") from err
    except ValueError as err:  # told by its row: validation names all of them
        what = "mask" if isinstance(err, ImageError) else "annotation"
        return replace(entry, problem=f"{what}: {err}", mask=_unchanged("masks", job, job.pair.mask, content))
    indices, unknown, outside = labels.to_index(mask.pixels, mask.table, void)
    return replace(
        entry,
        mask=_encoded("masks", job, indices),
        mask_orientation=mask.orientation,
        outside=outside.total(),
        labels_outside=labels.shown(outside, mask.shown),
        outside_mask=_encoded("outside", job, unknown) if outside else None,
    )


def _unchanged(kind: str, job: Job, path: str | None, content: bytes) -> File:
    """Return a file of the user's, with its suffix, as one of data/raw."""
    return File(f"{kind}/{job.split}/{job.name}{PurePosixPath(path or '').suffix.lower()}", content)


def _encoded(kind: str, job: Job, mask: Pixels | npt.NDArray[np.bool_]) -> File:
    """Return a mask as PNG, of 1 bit where it is bool."""
    return File(f"{kind}/{job.split}/{job.name}.png", encode_png(mask))
