"""The tile step: resizes every image, cuts it along the grid, and writes shards that training maps into memory."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.artifacts import shard, tileset
from pipeline.artifacts.manifest import Manifest
from pipeline.artifacts.raw_files import RawFiles
from pipeline.artifacts.shard import Header
from pipeline.core import tiles
from pipeline.core.arrays import Pixels
from pipeline.files import atomic
from pipeline.files.images import read_image, read_mask, resize_image, resize_mask
from pipeline.files.threads import Images, OnAll, Work, on_all_cores
from pipeline.params.steps import Tile

Row = dict[str, Any]

_READ = ["id", "split", "sequence", "image", "mask", "height", "width"]  # columns of the manifest


class _Encoded(NamedTuple):
    """An image, as it is stored, and its row of the manifest."""

    row: Row
    image: bytes
    mask: bytes


class _Band(NamedTuple):
    """The tiles of an image that begin in one of its rows."""

    places: list[Row]
    """Of each, what the index holds but for its place in a shard."""
    images: Pixels
    """(N, h, w, 3)."""
    masks: Pixels
    """(N, h, w)."""


def run(manifest: Manifest, raw: Path, folder: Path, settings: Tile, on_all: OnAll = on_all_cores) -> Counter[str]:
    """Cut every image of the manifest into tiles and write `folder`; return the number of tiles of each split.

    Which image goes into which shard depends only on the manifest, so the same images and settings give the same bytes,
    whatever `on_all` works on them.

    Raises:
        ValueError: a split has no tiles.
    """
    header = Header(manifest.dataset, manifest.classes, settings.height, settings.width, settings.scale)
    images = manifest.images.loc[manifest.is_usable, _READ]
    shards = [
        shard for split in manifest.splits for shard in _shards(images[images["split"] == split], split, settings)
    ]
    with atomic.replacing(folder) as temporary:
        work = Work(
            partial(_load, files=RawFiles(raw)),
            partial(_cut, settings=settings, void=header.classes.void),
            partial(_store, folder=temporary, header=header),
        )
        known = Images(len(images), int((images["height"] * images["width"]).max()) if len(images) else 0)
        counts = tileset.write_index(temporary, header, on_all(work, shards, "tile", known))
        for split in manifest.splits:
            if not counts[split]:
                raise ValueError(f"expected a tile in split {split}, got none; does any of its masks have labels?")
    return counts


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


def _load(part: tuple[str, pd.DataFrame], files: RawFiles) -> Iterator[_Encoded]:
    """Yield each image of a shard."""
    for row in cast(list[Row], part[1].to_dict("records")):
        yield _Encoded(row, files.content(row["image"]), files.content(row["mask"]))


def _cut(encoded: _Encoded, settings: Tile, void: int) -> Iterator[_Band]:
    """Yield each row of an image's tiles that has one; padding is black and void."""
    image, tile = encoded.row, (settings.height, settings.width)
    size = _scaled_size((image["height"], image["width"]), settings)
    pixels, mask = read_image(encoded.image), read_mask(encoded.mask)
    if settings.scale != 1:
        pixels, mask = resize_image(pixels, size), resize_mask(mask, size)
    of_image = {"source": image["id"], "split": image["split"], "sequence": image["sequence"]}
    for top, row in groupby(_grid(size, settings), key=lambda place: place[0]):
        places, tile_masks = [], []
        for _, left in row:
            tile_mask = tiles.cut(mask, top, left, tile, fill=void)
            if settings.drop_unlabelled and (tile_mask == void).all():
                continue
            height, width = min(tile[0], size[0] - top), min(tile[1], size[1] - left)
            counts = np.bincount(tile_mask.reshape(-1), minlength=void + 1)
            place = {"top": top, "left": left, "height": height, "width": width, "pixels": counts}
            places.append(of_image | place)
            tile_masks.append(tile_mask)
        if places:
            cut = [tiles.cut(pixels, top, place["left"], tile, fill=0) for place in places]
            yield _Band(places, np.stack(cut), np.stack(tile_masks))


def _store(part: tuple[str, pd.DataFrame], bands: Iterator[_Band], *, folder: Path, header: Header) -> pa.RecordBatch:
    """Write a shard; return its rows of the index, as columns."""
    name, rows = part[0], list[Row]()

    def batches() -> Iterator[tuple[Pixels, Pixels]]:
        for band in bands:
            rows.extend({**place, "shard": name, "row": i} for i, place in enumerate(band.places, len(rows)))
            yield band.images, band.masks

    shard.write(folder / name, header, batches())
    return pa.RecordBatch.from_pylist(rows, tileset.schema(header))


def _grid(size: tuple[int, int], settings: Tile) -> Iterator[tuple[int, int]]:
    return tiles.grid(size, (settings.height, settings.width), (settings.stride_y, settings.stride_x))


def _scaled_size(size: tuple[int, int], settings: Tile) -> tuple[int, int]:
    height, width = size
    return max(1, round(height * settings.scale)), max(1, round(width * settings.scale))
