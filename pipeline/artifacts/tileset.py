"""data/tiles: uncompressed Arrow shards, which training memory-maps, and a Parquet index of all tiles.

A shard holds the tiles of consecutive images of one split, with one record batch per row of an image's tiles: `image`,
(h * w * 3) uint8 RGB in row-major order, and `mask`, (h * w) uint8.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pydantic import Field

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.files import atomic, strict_json, tables

Side = Annotated[int, Field(ge=1, le=20_000)]
Batch = tuple[Pixels, Pixels]  # images (N, h, w, 3) and masks (N, h, w), uint8

COLUMNS = {
    "split": "str",
    "source": "str",  # id of the image in the manifest
    "sequence": "str",
    "top": "int64",  # of the tile in the scaled image, in pixels
    "left": "int64",
    "height": "int64",  # of the part of the tile that the image fills; the rest is padding
    "width": "int64",
    "shard": "str",  # file below the folder
    "row": "int64",  # index in the shard
}
PIXELS = "pixels"  # list of C + 1 int64: mask pixels of each class, then of void (padding included)


@dataclass(frozen=True)
class Header:
    """Properties shared by all tiles."""

    dataset: str
    classes: ClassTable
    height: Side
    """Of a tile, in pixels."""
    width: Side
    scale: Annotated[float, Field(gt=0, le=1)]
    """Factor by which images were resized before they were cut."""


def write_shard(path: Path, header: Header, batches: Iterable[tuple[Sequence[Pixels], Sequence[Pixels]]]) -> None:
    """Write one shard; each of `batches` is a list of tiles (h, w, 3) and a list of their masks (h, w)."""
    schema = _schema(header)
    with atomic.replacing(path) as temporary, pa.ipc.new_file(str(temporary), schema) as writer:
        for images, masks in batches:
            columns = [_column(images, schema.field(0)), _column(masks, schema.field(1))]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def write_index(folder: Path, header: Header, index: pd.DataFrame) -> None:
    """Write tiles.json, and tiles.parquet with COLUMNS and PIXELS, one row per tile; training numbers tiles by row."""
    with atomic.replacing(folder / "tiles.parquet") as temporary:
        index[[*COLUMNS, PIXELS]].astype(COLUMNS).to_parquet(temporary, index=False)
    atomic.write_json(folder / "tiles.json", asdict(header))


class Tileset:
    """The tiles of one split, memory-mapped."""

    def __init__(self, folder: Path, split: str) -> None:
        """Open the tiles of `split` in `folder`.

        Raises:
            ValueError: not a folder that the tile stage wrote, or a shard and the index do not agree.
        """
        self.header, index = read_index(folder)
        self.index = index[index["split"] == split].reset_index(drop=True)
        shards = {name: _Shard(folder / name, self.header) for name in self.index["shard"].unique()}
        rows = zip(self.index["shard"], self.index["row"], strict=True)
        self._tiles = [(shards[name], *shards[name].locate(int(row))) for name, row in rows]

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self._tiles)

    def __getitem__(self, i: int) -> tuple[Pixels, Pixels]:
        """Return tile `i` as views: (h, w, 3) RGB and (h, w) mask, uint8, read-only."""
        shard, batch, row = self._tiles[i]
        return shard.images[batch][row], shard.masks[batch][row]

    def batches(self, parts: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Yield a batch of the tiles at each of `parts`; the next batch is read while the current one is used."""
        with ThreadPoolExecutor(1) as reader:
            upcoming = deque(reader.submit(self._batch, part) for part in parts[:2])
            for i in range(len(parts)):
                yield upcoming.popleft().result()
                if i + 2 < len(parts):
                    upcoming.append(reader.submit(self._batch, parts[i + 2]))

    def _batch(self, indices: Sequence[int]) -> Batch:
        images, masks = zip(*(self[i] for i in indices), strict=True)
        return np.stack(images), np.stack(masks)

    def pixels(self) -> npt.NDArray[np.int64]:
        """Return each tile's pixels of each class, then of void: (T, C + 1) int64, for T tiles."""
        return np.array(self.index[PIXELS].tolist(), np.int64).reshape(len(self), len(self.header.classes) + 1)


def read_index(folder: Path) -> tuple[Header, pd.DataFrame]:
    """Return the header and the index of all tiles.

    Raises:
        ValueError: not a folder that the tile stage wrote.
    """
    try:
        header = strict_json.parse((folder / "tiles.json").read_bytes(), Header)
        index = tables.read_frame(folder / "tiles.parquet", COLUMNS, {PIXELS: len(header.classes) + 1})
        tables.check_paths(index["shard"])
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder}: expected tiles that the tile stage wrote: {err}; run it again") from err
    return header, index


class _Shard:
    """One memory-mapped file, with an array of images and one of masks per record batch."""

    def __init__(self, path: Path, header: Header) -> None:
        shape = (header.height, header.width)
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            if not reader.schema.equals(_schema(header)):
                raise ValueError(f"got {reader.schema}")
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
            for batch in batches:
                batch.validate()  # otherwise a damaged length would lead to reads beyond the end of the file
            self.images = [_view(batch.column("image"), (*shape, 3)) for batch in batches]
            self.masks = [_view(batch.column("mask"), shape) for batch in batches]
        except (OSError, ValueError, pa.ArrowException) as err:
            raise ValueError(f"{path}: expected a shard of {shape} tiles: {err}; run the tile stage again") from err
        self.path, self.starts = path, np.cumsum([0, *(len(images) for images in self.images)])

    def locate(self, row: int) -> tuple[int, int]:
        """Return the record batch that holds a row, and the row's index in it."""
        batch = int(np.searchsorted(self.starts, row, side="right")) - 1
        if not 0 <= row < self.starts[-1]:
            raise ValueError(f"{self.path}: expected tile {row}, got {self.starts[-1]} tiles; run the tile stage again")
        return batch, row - int(self.starts[batch])


def _schema(header: Header) -> pa.Schema:
    area = header.height * header.width
    return pa.schema([("image", pa.list_(pa.uint8(), 3 * area)), ("mask", pa.list_(pa.uint8(), area))])


def _column(tiles: Sequence[Pixels], field: Any) -> Any:
    values = pa.array(np.stack(tiles).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, type=field.type)


def _view(column: Any, shape: tuple[int, ...]) -> Pixels:
    values: Pixels = column.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(column), *shape)
