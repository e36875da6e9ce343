"""What is kept of each image while a data set is judged: some 60 bytes of numbers, however long its texts are."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.artifacts.manifest import PIXELS, SPLITS, USABLE, Manifest, Rows
from pipeline.core.arrays import Counts

Numbers = npt.NDArray[np.int64]

TURNED = ("orientation", "mask_orientation")
_COLUMNS = ("split", "sequence", "sha256", "phash", "contrast", "outside", *TURNED, *USABLE, PIXELS)
_KEYS = "0123456789abcdef", "fedcba9876543210"  # two hashes of 64 bits tell 2**128 texts apart
_TRANSPOSED = 5  # the EXIF orientations from here on exchange rows and columns


@dataclass(frozen=True)
class Facts:
    """What is known of N images, in the order of the manifest."""

    manifest: Rows
    """Which has the words."""
    judged: dict[str, npt.NDArray[Any]]
    """What checks judge of each image; NaN where there is nothing to judge."""
    splits: npt.NDArray[np.int8]
    """The number of each image's split."""
    is_usable: npt.NDArray[np.bool_]
    """Of each, whether it is tiled or scored."""
    contents: Numbers
    """A number for each image file's content; -1: there is no file."""
    sequences: Numbers
    """A number for each sequence; -1: it has no name."""
    is_hashed: npt.NDArray[np.bool_]
    """Whether an image has a perceptual hash."""
    hashes: npt.NDArray[np.uint64]
    """The perceptual hash of each; 0 where it has none."""
    pixels: Counts
    """Mask pixels by split, class and void, (3, C + 1); images that are left out do not count."""
    sizes: tuple[Counter[tuple[int, int]], ...]
    """For each split, the number of images of each width and height."""


def gather(manifest: Rows) -> Facts:
    """Return the facts about the images of a manifest, of which a part at a time is held.

    Raises:
        ValueError: the manifest is not as it should be.
    """
    pixels_SK = np.zeros((len(SPLITS), len(manifest.classes) + 1), np.int64)
    sizes = tuple(Counter[tuple[int, int]]() for _ in SPLITS)
    parts = []
    for part in manifest.parts(_COLUMNS):
        parts.append(_of_each(part))
        _count(part, parts[-1], pixels_SK, sizes)
    every = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    texts = {name: [every.pop(f"{name} {i}") for i in range(len(_KEYS))] for name in ("sequence", "sha256")}
    return Facts(
        manifest=manifest,
        splits=every.pop("splits"),
        is_usable=every.pop("is_usable"),
        sequences=_numbers(*texts["sequence"]),
        contents=_numbers(*texts["sha256"]),
        is_hashed=every.pop("is_hashed"),
        hashes=every.pop("hashes"),
        pixels=pixels_SK,
        sizes=sizes,
        judged=every,
    )


def is_in_doubt(images: pd.DataFrame) -> "pd.Series[bool]":
    """Return where both orientations differ and the sizes fit both upright and as stored.

    A mask may have been drawn over the image as stored, or as a viewer shows it; where only one of the two fits, it is
    the one.
    """
    differ = images["orientation"] != images["mask_orientation"]
    upright = (images["height"] == images["mask_height"]) & (images["width"] == images["mask_width"])
    alike = (images["orientation"] >= _TRANSPOSED) == (images["mask_orientation"] >= _TRANSPOSED)
    stored = alike | (images["height"] == images["width"])
    return differ & upright & stored


def _of_each(part: Manifest) -> dict[str, npt.NDArray[Any]]:
    """Return what is kept of each image; of a text, its hashes."""
    images = part.images
    has_image, has_mask = images["height"] > 0, images["mask_height"] > 0
    differ = (images["height"] != images["mask_height"]) | (images["width"] != images["mask_width"])
    known = (images["orientation"] > 0) & (images["mask_orientation"] > 0)
    is_hashed = images["phash"] != ""
    columns: dict[str, pd.Series[Any]] = {
        "splits": images["split"].map(SPLITS.index).astype("int8"),
        "is_usable": part.is_usable,
        "is_hashed": is_hashed,
        "unreadable": images["problem"] != "",
        "without_partner": (images["image"] == "") | (images["mask"] == ""),
        "sizes_differ": differ.astype("float32").where(has_image & has_mask),
        "turned_in_doubt": is_in_doubt(images).astype("float32").where(known),
        "outside": images["outside"].where(has_mask),
        "labelled": pd.Series(part.pixels[:, :-1].sum(axis=1), images.index).where(has_mask),
        "contrast": images["contrast"].where(has_image),
    }
    kept: dict[str, npt.NDArray[Any]] = {name: column.to_numpy() for name, column in columns.items()}
    kept["hashes"] = np.zeros(len(images), np.uint64)
    kept["hashes"][kept["is_hashed"]] = np.frombuffer(bytes.fromhex("".join(images.loc[is_hashed, "phash"])), ">u8")
    for name in ("sequence", "sha256"):
        for i, key in enumerate(_KEYS):
            hashes = pd.util.hash_array(images[name].array, hash_key=key)
            kept[f"{name} {i}"] = np.where(images[name] == "", 0, hashes)
    return kept


def _count(
    part: Manifest, kept: dict[str, npt.NDArray[Any]], pixels_SK: Counts, sizes: tuple[Counter[tuple[int, int]], ...]
) -> None:
    """Add the pixels and sizes of a part to those of its splits."""
    for i, in_split in enumerate(kept["splits"] == number for number in range(len(SPLITS))):
        pixels_SK[i] += part.pixels.sum(axis=0, where=(in_split & kept["is_usable"])[:, None])
        images = part.images.loc[in_split & (part.images["height"] > 0).to_numpy(), ["width", "height"]]
        sizes[i].update({(width, height): count for (width, height), count in images.value_counts().items()})


def _numbers(first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> Numbers:
    """Return a number for each pair, the same for the same one; -1 for zeros."""
    order = np.lexsort((first, second))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(is_new) - 1
    numbers[(first == 0) & (second == 0)] = -1
    return numbers
