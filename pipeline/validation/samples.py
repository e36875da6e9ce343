"""What a data set looks like: a few images with their masks laid over, and each class where it is seen best."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.artifacts.manifest import PIXELS, SPLITS, USABLE, Rows
from pipeline.artifacts.raw_files import RawFiles
from pipeline.core.arrays import Pixels
from pipeline.files import images, pictures
from pipeline.validation.facts import Numbers

NUM_IMAGES = 6
_NEEDED = ("id", "split", *USABLE)
_LARGE, _SMALL = (288, 384), (144, 192)  # height and width of a picture, pixels
_MARGIN = 0.25  # around a class's pixels, of the sides of the box that holds them


class _Best(NamedTuple):
    """The image that shows a class best."""

    is_training: bool
    share: float
    row: Mapping[Any, Any]


@dataclass(frozen=True)
class Sample:
    """A picture of the page."""

    name: str
    """The image's, or the class's."""
    caption: str
    uri: str
    """"": there is no picture."""


def of_images(manifest: Rows, files: RawFiles) -> list[Sample]:
    """Return NUM_IMAGES of the images that can be used, or all if there are fewer, with their masks laid over them.

    They are spread evenly over each split, and over the splits as far as these have images.
    """
    samples = []
    for row in _spread(manifest):
        try:
            image, mask = _read(row, files)
            uri = pictures.overlay_uri(image, mask, manifest.classes, _LARGE)
        except (images.ImageError, OSError):
            uri = ""
        samples.append(Sample(row["id"], f"{row['width']} x {row['height']} pixels", uri))
    return samples


def of_classes(manifest: Rows, files: RawFiles) -> list[Sample]:
    """Return each class in the image in which it has the largest share, cut out around its pixels, all others faded.

    That is a training image, unless none shows the class.
    """
    samples = {}
    for label, (name, best) in enumerate(zip(manifest.classes.names, _best(manifest), strict=True)):
        if best.share == 0:
            samples[label] = Sample(name, "no pixel in any split", "")
            continue
        try:
            uri = pictures.jpeg_uri(_cut_out(*_read(best.row, files), label), _SMALL)
        except (images.ImageError, OSError):
            uri = ""
        samples[label] = Sample(name, f"{best.share:.1%} of {best.row['id']}", uri)
    return list(samples.values())


def _best(manifest: Rows) -> list[_Best]:
    """Return, for each class, the image that shows it best: the first one of the largest share, in training first."""
    best = [_Best(False, 0.0, {})] * len(manifest.classes)
    for part in manifest.parts((*_NEEDED, PIXELS)):
        usable, pixels = part.usable, part.pixels[part.is_usable]
        shares = pixels / pixels.sum(axis=1, keepdims=True).clip(min=1)
        for is_training in (True, False):
            rows = np.flatnonzero((usable["split"] == SPLITS[0]).to_numpy() == is_training)
            for label in range(len(best) if len(rows) else 0):
                row = int(rows[shares[rows, label].argmax()])
                share = float(shares[row, label])
                if share and (is_training, share) > best[label][:2]:
                    best[label] = _Best(is_training, share, usable.iloc[row].to_dict())
    return best


def _spread(manifest: Rows) -> Iterator[Mapping[Any, Any]]:
    """Yield the rows of a few images that can be used, by split."""
    splits, start = {split: [np.zeros(0, np.int64)] for split in SPLITS}, 0
    for part in manifest.parts(_NEEDED):
        is_usable, split_of = part.is_usable.to_numpy(bool), part.images["split"]
        for split, numbers in splits.items():
            numbers.append(start + np.flatnonzero(is_usable & (split_of == split).to_numpy(bool)))
        start += len(part.images)
    chosen = _evenly([np.concatenate(numbers) for numbers in splits.values()])
    yield from manifest.rows(chosen, _NEEDED).to_dict("records")


def _evenly(splits: list[Numbers]) -> Numbers:
    """Return a few of the numbers: as many of each list as of the others, while it has some, and evenly over it."""
    wanted = [0] * len(splits)
    for _ in range(min(NUM_IMAGES, sum(map(len, splits)))):
        left = [i for i, numbers in enumerate(splits) if wanted[i] < len(numbers)]
        wanted[min(left, key=wanted.__getitem__)] += 1
    chosen = [
        numbers[(2 * i + 1) * len(numbers) // (2 * number)]
        for numbers, number in zip(splits, wanted, strict=True)
        for i in range(number)
    ]
    return np.array(chosen, np.int64)


def _read(row: Mapping[Any, Any], files: RawFiles) -> tuple[Pixels, Pixels]:
    """Return an image and its mask.

    Raises:
        ImageError: one cannot be read, or they no longer have one size.
    """
    image, mask = images.read_image(files.source(row["image"])), images.read_mask(files.source(row["mask"]))
    if image.shape[:2] != mask.shape:
        raise images.ImageError(f"expected image and mask of one size, got {image.shape[:2]} and {mask.shape}")
    return image, mask


def _cut_out(image: Pixels, mask: Pixels, label: int) -> Pixels:
    """Return the part of an image (H, W, 3) around the pixels of a class, with all others grey and pale."""
    part = tuple(_around((mask == label).any(axis=1 - axis), least) for axis, least in enumerate(_SMALL))
    image, shown = image[part], (mask[part] == label)[:, :, None]
    pale = 160 + images.to_grey(image)[:, :, None] // 4  # 160..223
    return np.where(shown, image, pale).astype(np.uint8)


def _around(holds: npt.NDArray[np.bool_], least: int) -> slice:
    """Return the rows or columns to show around those that hold a class: with a margin, and at least so many."""
    where = np.flatnonzero(holds)
    start, end = int(where[0]), int(where[-1]) + 1
    margin = max(round(_MARGIN * (end - start)), -(-(least - (end - start)) // 2))
    return slice(max(0, start - margin), end + margin)
