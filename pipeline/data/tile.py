"""The tile step: resizes every image, cuts it along the grid, and writes shards that training maps into memory."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.artifacts import shard, tileset
from pipeline.artifacts.manifest import Manifest
from pipeline.artifacts.raw_files import RawFiles
from pipeline.artifacts.shard import Header
from pipeline.core import tiles
from pipeline.core.arrays import Pixels
from pipeline.files import atomic, tables
from pipeline.files.images import read_image, read_mask, resize_image, resize_mask
from pipeline.files.threads import Images, on_all_cores
from pipeline.params.steps import Tile

Row = dict[str, Any]

_READ = ["id", "split", "sequence", "image", "mask", "height", "width"]  # columns of the manifest


def run(manifest: Manifest, raw: Path, folder: Path, settings: Tile) -> pd.DataFrame:
    """Cut every image of the manifest into tiles and write `folder`; return the index, one row per tile.

    Shards are written by all cores; which image goes into which shard depends only on the manifest, so the same images
    and settings give the same bytes.

    Raises:
        ValueError: a split has no tiles.
    """
    header = Header(manifest.dataset, manifest.classes, settings.height, settings.width, settings.scale)
    images = manifest.images.loc[manifest.is_usable, _READ]
    shards = [
        shard for split in manifest.splits for shard in _shards(images[images["split"] == split], split, settings)
    ]
    with atomic.replacing(folder) as temporary:
        files = RawFiles(raw)
        work = partial(_write_shard, files=files, folder=temporary, header=header, settings=settings)
        known = Images(len(images), int((images["height"] * images["width"]).max()) if len(images) else 0)
        batches = list(on_all_cores(work, shards, "tile", known))
        index = tables.as_frame(pa.Table.from_batches(batches, _schema(header)), tileset.COLUMNS)
        for split in manifest.splits:
            if not (index["split"] == split).any():
                raise ValueError(f"expected a tile in split {split}, got none; does any of its masks have labels?")
        tileset.write_index(temporary, header, index)
    return index


def _shards(images: pd.DataFrame, split: str, settings: Tile) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (file name, images) of each shard: consecutive images, up to the one that reaches the tile count.

    The images stay part of the table: as objects, each would take 2 kB until its shard is written.
    """
    start = count = number = 0
    for i, size in enumerate(zip(images["height"], images["width"], strict=True)):
        count += len(list(_grid(_scaled_size(size, settings), settings)))
        if count >= settings.tiles_per_shard:
            yield f"{split}-{number:05d}.arrow", images.iloc[start : i + 1]
            start, count, number = i + 1, 0, number + 1
    if start < len(images):
        yield f"{split}-{number:05d}.arrow", images.iloc[start:]


def _write_shard(
    part: tuple[str, pd.DataFrame], files: RawFiles, folder: Path, header: Header, settings: Tile
) -> pa.RecordBatch:
    """Write a shard; return its rows of the index, as columns."""
    name, images = part
    rows: list[Row] = []

    def batches() -> Iterator[tuple[Sequence[Pixels], Sequence[Pixels]]]:
        for image in cast(list[Row], images.to_dict("records")):
            cut = _cut(image, files, settings, void=header.classes.void)
            for _, band in groupby(cut, key=lambda tile: tile[0]["top"]):
                places, pixels, masks = zip(*band, strict=True)
                for place, mask in zip(places, masks, strict=True):
                    counts = np.bincount(mask.reshape(-1), minlength=header.classes.void + 1)
                    rows.append({**place, "shard": name, "row": len(rows), "pixels": counts})
                yield pixels, masks

    shard.write(folder / name, header, batches())
    return pa.RecordBatch.from_pylist(rows, _schema(header))


def _schema(header: Header) -> pa.Schema:
    return tables.schema(tileset.COLUMNS, {tileset.PIXELS: len(header.classes) + 1})


def _cut(image: Row, files: RawFiles, settings: Tile, *, void: int) -> Iterator[tuple[Row, Pixels, Pixels]]:
    """Yield (place, tile, mask) of each tile of one image; padding is black and void."""
    size, tile = _scaled_size((image["height"], image["width"]), settings), (settings.height, settings.width)
    pixels, mask = read_image(files.source(image["image"])), read_mask(files.source(image["mask"]))
    if settings.scale != 1:
        pixels, mask = resize_image(pixels, size), resize_mask(mask, size)
    for top, left in _grid(size, settings):
        tile_mask = tiles.cut(mask, top, left, tile, fill=void)
        if settings.drop_unlabelled and (tile_mask == void).all():
            continue
        height, width = min(tile[0], size[0] - top), min(tile[1], size[1] - left)
        place = {"source": image["id"], "top": top, "left": left, "height": height, "width": width}
        yield (
            {**place, "split": image["split"], "sequence": image["sequence"]},
            tiles.cut(pixels, top, left, tile, fill=0),
            tile_mask,
        )


def _grid(size: tuple[int, int], settings: Tile) -> Iterator[tuple[int, int]]:
    return tiles.grid(size, (settings.height, settings.width), (settings.stride_y, settings.stride_x))


def _scaled_size(size: tuple[int, int], settings: Tile) -> tuple[int, int]:
    height, width = size
    return max(1, round(height * settings.scale)), max(1, round(width * settings.scale))
