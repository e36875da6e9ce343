"""What a data set looks like: a few images with their masks laid over, and each class where it is seen best."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.artifacts.manifest import SPLITS, Manifest
from pipeline.artifacts.raw_files import RawFiles
from pipeline.core.arrays import Pixels
from pipeline.files import images, pictures

NUM_IMAGES = 6
_LARGE, _SMALL = (288, 384), (144, 192)  # height and width of a picture, pixels
_MARGIN = 0.25  # around a class's pixels, of the sides of the box that holds them


@dataclass(frozen=True)
class Sample:
    """A picture of the page."""

    name: str
    """The image's, or the class's."""
    caption: str
    uri: str
    """"": there is no picture."""


def of_images(manifest: Manifest, files: RawFiles) -> list[Sample]:
    """Return NUM_IMAGES of the images that can be used, or all if there are fewer, with their masks laid over them.

    They are spread evenly over each split, and over the splits as far as these have images.
    """
    found = []
    for row in _spread(manifest):
        try:
            image, mask = _read(row, files)
            uri = pictures.overlay_uri(image, mask, manifest.classes, _LARGE)
        except (images.ImageError, OSError):
            uri = ""
        found.append(Sample(row["id"], f"{row['width']} x {row['height']} pixels", uri))
    return found


def of_classes(manifest: Manifest, files: RawFiles) -> list[Sample]:
    """Return each class in the image in which it has the largest share, cut out around its pixels, all others faded.

    That is a training image, unless none shows the class.
    """
    usable, split = manifest.is_usable.to_numpy(), manifest.images["split"]
    counts, is_training = manifest.pixels, (split == "train").to_numpy()
    totals = counts.sum(axis=1).clip(min=1)
    found = {}
    for label, name in enumerate(manifest.classes.names):
        shares = np.where(usable, counts[:, label] / totals, 0)
        if not shares.any():
            found[label] = Sample(name, "no pixel in any split", "")
            continue
        best = int((shares + ((shares > 0) & is_training)).argmax())
        row = manifest.images.iloc[best].to_dict()
        try:
            uri = pictures.jpeg_uri(_cut_out(*_read(row, files), label), _SMALL)
        except (images.ImageError, OSError):
            uri = ""
        found[label] = Sample(name, f"{shares[best]:.1%} of {row['id']}", uri)
    return list(found.values())


def _spread(manifest: Manifest) -> Iterator[Mapping[Any, Any]]:
    """Yield the rows of a few images that can be used, by split."""
    splits = {split: np.flatnonzero(manifest.is_usable & (manifest.images["split"] == split)) for split in SPLITS}
    wanted = dict.fromkeys(SPLITS, 0)
    for _ in range(min(NUM_IMAGES, sum(map(len, splits.values())))):
        left = [split for split in SPLITS if wanted[split] < len(splits[split])]
        wanted[min(left, key=lambda split: wanted[split])] += 1
    for split, number in wanted.items():
        for i in range(number):
            yield manifest.images.iloc[splits[split][(2 * i + 1) * len(splits[split]) // (2 * number)]].to_dict()


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
