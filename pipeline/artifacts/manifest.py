"""data/raw: images, index masks, and a manifest with one row per image. Written by download, read by later stages."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.core.arrays import Counts
from pipeline.core.classes import ClassTable
from pipeline.files import atomic, strict_json, tables

SPLITS = ("train", "val", "test")
COLUMNS = {
    "id": "str",  # "<split>/<name>", unique
    "split": "str",  # one of SPLITS
    "sequence": "str",
    "image": "str",  # path below the folder, "/"-separated; "" where the image is missing
    "mask": "str",  # likewise
    "sha256": "str",  # of the image file; "" where missing
    "mask_sha256": "str",
    "height": "int64",  # pixels, of the image; 0 where unreadable
    "width": "int64",
    "mask_height": "int64",
    "mask_width": "int64",
    "orientation": "int64",  # EXIF orientation of the image file, 1..8; 0 where unreadable
    "mask_orientation": "int64",  # likewise, of the mask file that the user gave; the masks here are upright
    "mode": "str",  # Pillow's mode of the image file
    "contrast": "float64",  # standard deviation of the grey values, 0..255
    "phash": "str",  # 64-bit perceptual hash, 16 hexadecimal digits; "" where unreadable
    "outside": "int64",  # mask pixels that the class table does not name
    "labels_outside": "str",  # their values or colours, with the number of pixels of each
    "outside_mask": "str",  # path of a 1-bit mask of those pixels; "" where there are none
    "problem": "str",  # why the image or mask cannot be read; "" where it can
}
TABLE, HEAD = "manifest.parquet", "dataset.json"
PIXELS = "pixels"  # list of C + 1 int64: mask pixels of each class, then of void


@dataclass(frozen=True)
class Manifest:
    """What data/raw holds."""

    dataset: str
    """Short name: the registered model is segnet-<dataset>."""
    classes: ClassTable
    licence: str
    """Licence notice of the data, one paragraph."""
    images: pd.DataFrame
    """One row per image, sorted by id: COLUMNS and PIXELS."""
    splits: tuple[str, ...] = SPLITS
    """The splits that there are: all, or all but test."""

    @property
    def scored_split(self) -> str:
        """Return the split that models are scored on: test, or val where there is no test split."""
        return self.splits[-1]

    @property
    def is_usable(self) -> "pd.Series[bool]":
        """Return, for each row, whether image and mask are both there, can be read and have one size.

        Where `validate.severities` makes the others a warning, they are left out.
        """
        rows = self.images
        paired = (rows["image"] != "") & (rows["mask"] != "") & (rows["problem"] == "")
        return paired & (rows["height"] == rows["mask_height"]) & (rows["width"] == rows["mask_width"])

    @property
    def usable(self) -> pd.DataFrame:
        """Return the rows that are usable: what is tiled and scored."""
        return self.images[self.is_usable]

    @property
    def pixels(self) -> Counts:
        """Return mask pixels by image, class and void, (N, C + 1)."""
        return tables.matrix(self.images[PIXELS], len(self.classes) + 1)


def write(manifest: Manifest, folder: Path) -> None:
    """Write manifest.parquet and dataset.json into `folder`; the same manifest gives the same bytes."""
    table = manifest.images[[*COLUMNS, PIXELS]].astype(COLUMNS).sort_values("id", ignore_index=True)
    with atomic.replacing(folder / TABLE) as temporary:
        table.to_parquet(temporary, index=False)
    tree = {"dataset": manifest.dataset, "classes": manifest.classes.to_json(), "licence": manifest.licence}
    tree |= {"splits": list(manifest.splits)}
    atomic.write_json(folder / HEAD, tree)


def read(folder: Path) -> Manifest:
    """Read what `write` wrote.

    Raises:
        ValueError: a file is missing or not as `write` writes it, or an image or mask lies outside `folder`.
    """
    try:
        head = strict_json.parse((folder / HEAD).read_bytes(), _Head)
        if head.splits not in (SPLITS, SPLITS[:-1]):
            raise ValueError(f"expected the splits {', '.join(SPLITS)}, or all but the last, got {head.splits}")
        images = tables.read_frame(folder / TABLE, COLUMNS, {PIXELS: len(head.classes) + 1})
        for column in ("image", "mask", "outside_mask"):
            tables.check_paths(images[column])
    except (OSError, ValueError) as err:
        raise ValueError(
            f"{folder}: expected the manifest that the download stage writes: {err}; run it again"
        ) from err
    return Manifest(head.dataset, head.classes, head.licence, images, head.splits)


@dataclass(frozen=True)
class _Head:
    """dataset.json: a Manifest without its images."""

    dataset: str
    classes: ClassTable
    licence: str
    splits: tuple[str, ...] = SPLITS
