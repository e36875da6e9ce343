"""Tiles to measure with, as the tile stage writes them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import shard, tileset
from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.data import scenes

NUM_CLASSES = 11


def write_tiles(folder: Path, count: int, height: int, width: int) -> Path:
    """Write random tiles and return their folder; masks are of blocks, since neighbouring pixels are mostly alike."""
    generator = np.random.default_rng(1)

    def tile(_: int) -> tuple[Pixels, Pixels]:
        image = generator.integers(0, 256, (height, width, 3), np.uint8)
        blocks = generator.integers(0, NUM_CLASSES + 1, (-(-height // 12), -(-width // 12)), np.uint8)
        return image, blocks.repeat(12, axis=0).repeat(12, axis=1)[:height, :width]

    return _write(folder, count, height, width, tile)


def write_scenes(folder: Path, count: int, height: int, width: int) -> Path:
    """Write tiles of drawn scenes and return their folder."""
    return _write(folder, count, height, width, lambda i: scenes.draw(1, i, 0, height=height, width=width))


def _write(folder: Path, count: int, height: int, width: int, tile: Callable[[int], tuple[Pixels, Pixels]]) -> Path:
    """Write tiles, the same for training and validation."""
    pixel = tuple((i, i, i) for i in range(NUM_CLASSES))
    classes = ClassTable(tuple(f"class {i}" for i in range(NUM_CLASSES)), pixel, (255, 255, 255), None)
    header = shard.Header("random", classes, height, width, 1.0)
    rows, drawn = [], [tile(i) for i in range(count)]
    for split in ("train", "val"):
        shard.write(folder / f"{split}.arrow", header, [(image[None], mask[None]) for image, mask in drawn])
        common = {"split": split, "sequence": "", "top": 0, "left": 0, "height": height, "width": width}
        for row, (_, mask) in enumerate(drawn):
            pixels = np.bincount(mask.ravel(), minlength=NUM_CLASSES + 1).tolist()
            place = {"source": f"{split}/{row}", "shard": f"{split}.arrow", "row": row, "pixels": pixels}
            rows.append({**common, **place})
    tileset.write_index(folder, header, [pa.RecordBatch.from_pylist(rows, tileset.schema(header))])
    return folder
