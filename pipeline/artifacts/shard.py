"""One file of tiles: an uncompressed Arrow file, which training memory-maps.

A shard holds the tiles of consecutive images of one split, with one record batch per row of an image's tiles: `image`,
(h * w * 3) uint8 RGB in row-major order, and `mask`, (h * w) uint8.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.files import atomic

Side = Annotated[int, Field(ge=1, le=20_000)]


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


def write(path: Path, header: Header, batches: Iterable[tuple[Pixels, Pixels]]) -> None:
    """Write one shard; each of `batches` is some tiles (N, h, w, 3) and their masks (N, h, w)."""
    schema = _schema(header)
    with atomic.replacing(path) as temporary, pa.ipc.new_file(str(temporary), schema) as writer:
        for images, masks in batches:
            columns = [_column(images, schema.field(0)), _column(masks, schema.field(1))]
            writer.write_batch(pa.record_batch(columns, schema=schema))


class Shard:
    """One memory-mapped file, with an array of images and one of masks per record batch."""

    def __init__(self, path: Path, header: Header) -> None:
        """Map the file at `path`.

        Raises:
            ValueError: it is missing, or not a shard of tiles of the header's size.
        """
        shape = (header.height, header.width)
        try:
            self._inode = path.stat().st_ino
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

    def is_at(self, path: Path) -> bool:
        """Return whether the file at `path` is the one that is open."""
        try:
            return path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def locate(self, row: int) -> tuple[int, int]:
        """Return the record batch that holds a row, and the row's index in it.

        Raises:
            ValueError: there is no such row.
        """
        batch = int(np.searchsorted(self.starts, row, side="right")) - 1
        if not 0 <= row < self.starts[-1]:
            raise ValueError(f"{self.path}: expected tile {row}, got {self.starts[-1]} tiles; run the tile stage again")
        return batch, row - int(self.starts[batch])


def _schema(header: Header) -> pa.Schema:
    area = header.height * header.width
    return pa.schema([("image", pa.list_(pa.uint8(), 3 * area)), ("mask", pa.list_(pa.uint8(), area))])


def _column(tiles: Pixels, field: Any) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(tiles.reshape(-1)), type=field.type)


def _view(column: Any, shape: tuple[int, ...]) -> Pixels:
    values: Pixels = column.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(column), *shape)
