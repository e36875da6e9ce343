"""The tile step: resizes every image, cuts it along the grid, and writes shards that training maps into memory."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.artifacts import shard, tileset
from pipeline.artifacts.manifest import USABLE, Rows
from pipeline.artifacts.raw_files import RawFiles
from pipeline.artifacts.shard import Header
from pipeline.core import tiles
from pipeline.core.arrays import Pixels
from pipeline.data.columns import Items
from pipeline.files import atomic, tables
from pipeline.files.images import read_image, read_mask, resize_image, resize_mask
from pipeline.files.threads import Images, OnAll, Work, on_all_cores
from pipeline.params.steps import Tile

Row = dict[str, Any]

_READ = ("id", "split", "sequence", "image", "mask", "height", "width")
_SPANS = tables.schema({"name": "str", "first": "int64", "last": "int64"}, {})
_Shard = tuple[str, pd.DataFrame]  # its file's name, and the rows of its images


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


def run(manifest: Rows, raw: Path, folder: Path, settings: Tile, on_all: OnAll = on_all_cores) -> Counter[str]:
    """Cut every image of the manifest into tiles and write `folder`; return the number of tiles of each split.

    Which image goes into which shard depends only on the manifest, so the same images and settings give the same bytes,
    whatever `on_all` works on them.

    Raises:
        ValueError: a split has no tiles, or what is stored is no manifest.
    """
    header = Header(manifest.dataset, manifest.classes, settings.height, settings.width, settings.scale)
    with atomic.replacing(folder) as temporary:
        work = Work(
            partial(_load, files=RawFiles(raw)),
            partial(_cut, settings=settings, void=header.classes.void),
            partial(_store, folder=temporary, header=header),
        )
        shards, known = _shards(manifest, settings)
        counts = tileset.write_index(temporary, header, on_all(work, shards, "tile", known))
        for split in manifest.splits:
            if not counts[split]:
                raise ValueError(f"expected a tile in split {split}, got none; does any of its masks have labels?")
    return counts


def left_out(manifest: Rows) -> tuple[int, int]:
    """Return how many images cannot be used, and how many there are."""
    usable = [part.is_usable for part in manifest.parts(USABLE)]
    number = sum(map(len, usable))
    return number - int(sum(part.sum() for part in usable)), number


def _shards(manifest: Rows, settings: Tile) -> tuple[Items[_Shard], Images]:
    """Return the shards, and what is known of their images.

    A shard is consecutive usable images of a split, up to the one that reaches the tile count. Of an image, its number
    and its size are held until its shard is written.
    """
    rows = {split: [np.zeros(0, np.int64)] for split in manifest.splits}
    sizes = {split: [np.zeros((0, 2), np.int64)] for split in manifest.splits}
    start = 0
    for part in manifest.parts(("split", *USABLE)):
        images, is_usable = part.images, part.is_usable.to_numpy(bool)
        for split in manifest.splits:
            here = np.flatnonzero(is_usable & (images["split"] == split).to_numpy(bool))
            rows[split].append(start + here)
            sizes[split].append(images[["height", "width"]].to_numpy()[here])
        start += len(images)
    spans, largest, begin = list[dict[str, Any]](), 0, 0
    for split, parts in sizes.items():
        of_split = np.concatenate(parts)
        largest = max(largest, int(of_split.prod(axis=1).max(initial=0)))
        ends = [begin, *(begin + end for end in _ends(of_split, settings))]
        for number, (first, last) in enumerate(pairwise(ends)):
            spans.append({"name": f"{split}-{number:05d}.arrow", "first": first, "last": last})
        begin = ends[-1]
    of_all = np.concatenate([numbers for parts in rows.values() for numbers in parts])
    shards = Items(
        pa.Table.from_pylist(spans, _SPANS),
        lambda name, first, last: (name, manifest.rows(of_all[first:last], _READ)),
    )
    return shards, Images(len(of_all), largest)


def _ends(sizes: npt.NDArray[np.int64], settings: Tile) -> list[int]:
    """Return, for each shard of images of these heights and widths, how many images there are up to its end."""
    distinct, which = np.unique(sizes, axis=0, return_inverse=True)
    of_size = [
        len(list(_grid(_scaled_size((height, width), settings), settings))) for height, width in distinct.tolist()
    ]
    ends, count = [], 0
    for i, number in enumerate(np.array(of_size, np.int64)[which.reshape(-1)], 1):
        count += number
        if count >= settings.tiles_per_shard or i == len(sizes):
            ends.append(i)
            count = 0
    return ends


def _load(part: _Shard, files: RawFiles) -> Iterator[_Encoded]:
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


def _store(part: _Shard, bands: Iterator[_Band], *, folder: Path, header: Header) -> pa.RecordBatch:
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
