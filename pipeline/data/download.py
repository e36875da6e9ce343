"""The download step: turns any of the data sets into one folder of images, index masks and a manifest."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, assert_never

import numpy as np
from scipy.fft import dctn

from pipeline.artifacts import manifest, raw_files
from pipeline.artifacts.manifest import COLUMNS, PIXELS, Head
from pipeline.artifacts.raw_files import Image, file_of
from pipeline.core.arrays import Pixels
from pipeline.data import camvid, folder
from pipeline.data.scenes import dataset as scenes
from pipeline.data.source import Source, SourceImage
from pipeline.files import atomic
from pipeline.files.images import (
    ImageError,
    decode,
    histogram,
    read_image,
    read_mask,
    shrink_grey,
    to_grey,
)
from pipeline.files.threads import OnAll, Work, on_all_cores
from pipeline.params.dataset import CamvidDataset, Dataset, FolderDataset, ScenesDataset
from pipeline.params.steps import Download

LICENCE = "LICENCE.txt"

Result = TypeVar("Result")


def run(dataset: Dataset, limits: Download, raw: Path, on_all: OnAll = on_all_cores) -> tuple[Head, Counter[str]]:
    """Write the data set's images, index masks, licence and manifest into the folder `raw`.

    Each image and mask is a file, or if there are more than `limits.files_up_to` images, they are in shards.
    Missing images, and those that cannot be decoded, are recorded in the manifest, which `validate` judges. The same
    data set gives the same bytes, whatever `on_all` works on its images.

    Returns:
        the data set, and the number of images of each split.

    Raises:
        ValueError: the data set is not available, a mask was compressed with losses, or `raw` holds files that this
            step did not write; it is unchanged.
    """
    _refuse_foreign_files(raw)
    with atomic.replacing(raw) as temporary:
        temporary.mkdir()
        with TemporaryDirectory(dir=temporary) as unpacked:
            source = _opened(dataset, limits, Path(unpacked))
            head = Head(source.dataset, source.classes, source.licence, splits=source.splits)
            if len(source.jobs) > limits.files_up_to:
                rows = raw_files.into_shards(_made(source, _kept, on_all), temporary)
            else:
                rows = files(source, temporary, on_all)
            counts = manifest.write_rows(head, rows, temporary)
        atomic.write_text(temporary / LICENCE, f"{source.licence}\n")
    return head, counts


def files(source: Source, folder: Path, on_all: OnAll = on_all_cores) -> Iterator[manifest.Row]:
    """Write the data set's images as files into `folder`, and yield their rows of the manifest, by ascending id."""
    return _made(source, partial(_written, folder), on_all)


def _made(source: Source, store: Callable[[Any, Iterator[Image]], Result], on_all: OnAll) -> Iterator[Result]:
    work = Work(source.load, partial(_described, source.make, len(source.classes)), store)
    return on_all(work, source.jobs, "images", source.images)


def _described(make: Callable[[Any], SourceImage], num_classes: int, loaded: Any) -> Iterator[Image]:
    yield _describe(make(loaded), num_classes)


def _kept(_: Any, images: Iterator[Image]) -> Image:
    [image] = images
    return image


def _written(folder: Path, _: Any, images: Iterator[Image]) -> manifest.Row:
    [image] = images
    return raw_files.write(image, folder)


def _refuse_foreign_files(raw: Path) -> None:
    """Raise ValueError if the folder that is to be replaced holds anything but what this step wrote."""
    files = {path.relative_to(raw).as_posix() for path in raw.rglob("*") if not path.is_dir() or path.is_symlink()}
    if not files:
        return
    try:
        images = manifest.read(raw).images
    except ValueError:
        ours: set[str] = set()
    else:
        places = chain(images["image"], images["mask"], images["outside_mask"])
        ours = {manifest.TABLE, manifest.HEAD, LICENCE, *map(file_of, places)}
    if foreign := sorted(files - ours):
        raise ValueError(
            f"expected {raw} to hold only what this stage wrote, got {len(foreign)} other files, such as {foreign[0]}; "
            "move them elsewhere: this stage replaces the folder; nothing was changed"
        )


def perceptual_hash(grey: Pixels) -> str:
    """Return a 64-bit hash, as 16 hexadecimal digits, nearly all bits of which similar images share.

    The image is shrunk to 32 x 32 pixels; the bits are the signs of its 8 x 8 lowest DCT-II coefficients, row by row;
    the first is the mean, 1 in every image that is not black. On CamVid, 93 % of the frames at most 0.2 s apart differ
    in 8 bits or fewer, and no two frames of different drives in fewer than 11.

    Args:
        grey: (H, W) uint8.

    Source: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010; signs
    replace his comparison with the median, which separated CamVid's drives less well.
    """
    coefficients = dctn(shrink_grey(grey, (32, 32)).astype(np.float64), norm="ortho")[:8, :8]
    return np.packbits(coefficients > 1e-6).tobytes().hex()  # 1e-6: above rounding errors, so a blank image has 0 bits


def _opened(dataset: Dataset, limits: Download, unpacked: Path) -> Source:
    match dataset:
        case ScenesDataset():
            return scenes.source(dataset)
        case CamvidDataset():
            return camvid.source(unpacked, limits)
        case FolderDataset():
            return folder.source(dataset)
    assert_never(dataset)


def _describe(entry: SourceImage, num_classes: int) -> Image:
    """Return an image with its row of the manifest."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {
        "id": entry.id,
        "split": entry.split,
        "sequence": entry.sequence,
        "contrast": 0.0,
        "outside": entry.outside,
        "labels_outside": entry.labels_outside,
        PIXELS: [0] * (num_classes + 1),
    }
    row |= dict.fromkeys(("height", "width", "mask_height", "mask_width", "orientation", "mask_orientation"), 0)
    problems = [entry.problem] if entry.problem else []
    kinds = {"image": entry.image, "mask": entry.mask, "outside_mask": entry.outside_mask}
    there = {kind: file for kind, file in kinds.items() if file is not None}
    row |= {kind: file.place for kind, file in there.items()}
    if entry.image is not None:
        row["sha256"] = hashlib.sha256(entry.image.content).hexdigest()
        try:
            row |= _describe_image(entry.image.content)
        except ImageError as err:
            problems.append(f"image: {err}")
    if entry.mask is not None:
        row["mask_sha256"] = hashlib.sha256(entry.mask.content).hexdigest()
        if not entry.problem:
            row |= {**_describe_mask(entry.mask.content, num_classes), "mask_orientation": entry.mask_orientation}
    contents = {kind: file.content for kind, file in there.items()}
    return Image(row | {"problem": "; ".join(problems)}, contents)


def _describe_image(content: bytes) -> dict[str, Any]:
    decoded = decode(content)
    grey = to_grey(read_image(decoded))
    height, width = grey.shape
    counts, values = histogram(grey), np.arange(256)
    mean = counts @ values / grey.size
    contrast = float(np.sqrt(counts @ (values - mean) ** 2 / grey.size))
    sizes = {"height": height, "width": width, "orientation": decoded.orientation, "mode": decoded.mode}
    return {**sizes, "contrast": contrast, "phash": perceptual_hash(grey)}


def _describe_mask(content: bytes, num_classes: int) -> dict[str, Any]:
    mask = read_mask(content)
    height, width = mask.shape
    return {"mask_height": height, "mask_width": width, PIXELS: histogram(mask)[: num_classes + 1].tolist()}
