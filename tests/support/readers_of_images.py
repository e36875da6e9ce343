"""READERS of data/raw and data/tiles."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.artifacts import manifest, raw_files, tileset
from tests.support.readers import broken, folder_reader
from tests.support.tiny_data import write_tiles
from tests.support.tiny_dataset import make


def write_manifest(folder):
    with TemporaryDirectory() as raw:  # images, which other readers read
        manifest.write(make(Path(raw)), folder)


def read_manifest(folder):
    result = manifest.read(folder)
    assert {column: str(result.images[column].dtype) for column in manifest.COLUMNS} == manifest.COLUMNS
    assert result.classes.palette().shape == (256, 3)
    assert np.array(result.images["pixels"].tolist(), np.int64).size == len(result.images) * (len(result.classes) + 1)
    for path in (*result.images["image"], *result.images["mask"]):
        assert os.path.normpath(folder / path).startswith(str(folder))
    assert result.images.notna().all(axis=None)


PARTS = {"a": (b"image", b"mask", b"outside"), "b": (b"second image", b"second mask", None)}


def write_raw_shards(folder):
    kinds = ("image", "mask", "outside_mask")
    there = {
        name: {kind: part for kind, part in zip(kinds, parts, strict=True) if part} for name, parts in PARTS.items()
    }
    images = [raw_files.Image({"id": name, **dict.fromkeys(kinds, "")}, parts) for name, parts in there.items()]
    list(raw_files.into_shards(images, folder))


def read_raw_shards(folder):
    read = raw_files.RawFiles(folder)
    for row, kinds in enumerate((("image", "mask", "outside_mask"), ("image", "mask"))):
        for kind in kinds:
            assert isinstance(read.source(f"shards/00000.arrow/0/{row}/{kind}"), bytes)


def write_tileset(folder):
    with TemporaryDirectory() as made:
        shutil.copytree(write_tiles(Path(made)), folder, dirs_exist_ok=True)


def read_tileset(folder):
    for split in ("train", "val"):
        tiles = tileset.Tileset(folder, split)
        shape = (tiles.header.height, tiles.header.width)
        for i in range(len(tiles)):
            image, mask = tiles[i]
            assert (image.shape, mask.shape) == ((*shape, 3), shape)
            assert image.sum() + mask.sum() >= 0  # every byte can be read
        assert tiles.pixels().shape == (len(tiles), len(tiles.header.classes) + 1)
        assert tiles.header.classes.palette().shape == (256, 3)


READERS = (
    folder_reader("manifests", lambda: broken(write_manifest), read_manifest),
    folder_reader("shards of images", lambda: broken(write_raw_shards), read_raw_shards),
    folder_reader("tiles", lambda: broken(write_tileset), read_tileset),
)
