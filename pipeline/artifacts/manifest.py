"""data/raw: images, index masks, and a manifest with one row per image. Written by download, read by later stages."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

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
USABLE = ("image", "mask", "problem", "height", "width", "mask_height", "mask_width")  # what is_usable looks at
PIXELS = "pixels"  # list of C + 1 int64: mask pixels of each class, then of void
_BATCH = 4096  # rows that are held as objects

Row = Mapping[str, Any]  # an image's: COLUMNS and PIXELS


@dataclass(frozen=True)
class Head:
    """dataset.json: what is known of the images as a whole."""

    dataset: str
    """Short name: the registered model is segnet-<dataset>."""
    classes: ClassTable
    licence: str
    """Licence notice of the data, one paragraph."""
    splits: tuple[str, ...] = field(default=SPLITS, kw_only=True)
    """The splits that there are: all, or all but test."""

    @property
    def scored_split(self) -> str:
        """Return the split that models are scored on: test, or val where there is no test split."""
        return self.splits[-1]


@dataclass(frozen=True)
class Manifest(Head):
    """What data/raw holds, or a part of it."""

    images: pd.DataFrame
    """One row per image, sorted by id: COLUMNS and PIXELS, or those that were asked for."""

    def parts(self, _: Collection[str]) -> Iterator["Manifest"]:
        """Yield all rows at once, as `Stored` yields some."""
        yield self

    def rows(self, numbers: npt.NDArray[np.int64], _: Collection[str]) -> pd.DataFrame:
        """Return the rows of these numbers, in that order."""
        return self.images.iloc[numbers]

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
        table.to_parquet(temporary, index=False, row_group_size=tables.ROW_GROUP)
    _write_head(manifest, folder)


def write_rows(head: Head, rows: Iterable[Row], folder: Path) -> Counter[str]:
    """Write what `write` writes, the same bytes, of rows by ascending id as they come; return the images of each split.

    At most 4096 rows are held as objects, and 65,536 as columns, about 0.4 kB each.

    Raises:
        ValueError: rows are not in order, or two have one id; no existing file was changed.
    """
    blank = {name: {"str": "", "int64": 0, "float64": 0.0}[kind] for name, kind in COLUMNS.items()}
    example = pd.DataFrame([blank | {PIXELS: [0]}]).astype(COLUMNS)
    schema = pa.Table.from_pandas(example, preserve_index=False).schema  # with pandas' own notes, as `write` leaves
    counts = Counter[str]()

    def batches() -> Iterator[pa.RecordBatch]:
        last = ""
        for batch in _batches(rows):
            for row in batch:
                if row["id"] <= last:
                    raise ValueError(
                        f"expected rows by ascending id, each once, got {row['id']} after {last}; sort them"
                    )
                last = row["id"]
            counts.update(row["split"] for row in batch)
            yield pa.RecordBatch.from_pylist(batch, schema)

    with atomic.replacing(folder / TABLE) as temporary:
        tables.write(temporary, schema, batches())
    _write_head(head, folder)
    return counts


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _write_head(head: Head, folder: Path) -> None:
    named = {"dataset": head.dataset, "classes": head.classes.to_json(), "licence": head.licence}
    atomic.write_json(folder / HEAD, {**named, "splits": list(head.splits)})


@dataclass(frozen=True)
class Stored(Head):
    """What data/raw holds, of which 65,536 rows at a time are read. Its methods raise ValueError, as `read` does."""

    folder: Path
    lengths: Sequence[int]
    """Numbers of rows of the parts."""
    _kept: dict[tuple[str | int, ...], pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)
    """The part that `rows` has read last."""

    def parts(self, columns: Collection[str]) -> Iterator[Manifest]:
        """Yield all rows, some at a time, with these columns."""
        for i in range(len(self.lengths)):
            yield self._read(columns, [i])
        if not self.lengths:
            yield self._read(columns, [])

    def rows(self, numbers: npt.NDArray[np.int64], columns: Collection[str]) -> pd.DataFrame:
        """Return the rows of these numbers, in that order, with these columns."""
        wanted, places = np.unique(numbers, return_inverse=True)
        ends = np.cumsum(self.lengths)
        frames = [self._read(columns, []).images]
        for i in np.unique(np.searchsorted(ends, wanted, side="right")):
            within = wanted - (ends[i] - self.lengths[i])
            within = within[(within >= 0) & (within < self.lengths[i])]
            frames.append(self._part(columns, int(i)).iloc[within])
        return pd.concat(frames, ignore_index=True).iloc[places]

    def _part(self, columns: Collection[str], number: int) -> pd.DataFrame:
        key: tuple[str | int, ...] = (number, *columns)
        if key not in self._kept:
            self._kept.clear()
            self._kept[key] = self._read(columns, [number]).images
        return self._kept[key]

    def whole(self) -> Manifest:
        """Return all rows, with all columns."""
        return self._read((*COLUMNS, PIXELS), None)

    def _read(self, columns: Collection[str], row_groups: list[int] | None) -> Manifest:
        wanted = {name: kind for name, kind in COLUMNS.items() if name in columns}
        lists = {PIXELS: len(self.classes) + 1} if PIXELS in columns else {}
        with _as_expected(self.folder):
            images = tables.read_frame(self.folder / TABLE, wanted, lists, row_groups)
            for column in {"image", "mask", "outside_mask"}.intersection(columns):
                tables.check_paths(images[column])
        return Manifest(self.dataset, self.classes, self.licence, images, splits=self.splits)


Rows = Manifest | Stored


def scan(folder: Path) -> Stored:
    """Return what `write` wrote, to be read in parts.

    Raises:
        ValueError: as `read`, but for the rows, which nobody has looked at yet.
    """
    with _as_expected(folder):
        head = strict_json.parse((folder / HEAD).read_bytes(), Head)
        if head.splits not in (SPLITS, SPLITS[:-1]):
            raise ValueError(f"expected the splits {', '.join(SPLITS)}, or all but the last, got {head.splits}")
        return Stored(
            head.dataset, head.classes, head.licence, folder, tables.lengths(folder / TABLE), splits=head.splits
        )


def read(folder: Path) -> Manifest:
    """Read what `write` wrote.

    Raises:
        ValueError: a file is missing or not as `write` writes it, or an image or mask lies outside `folder`.
    """
    return scan(folder).whole()


@contextmanager
def _as_expected(folder: Path) -> Iterator[None]:
    """Say of an error in the block what was expected in the folder."""
    try:
        yield
    except (OSError, ValueError) as err:
        raise ValueError(
            f"{folder}: expected the manifest that the download stage writes: {err}; run it again"
        ) from err
