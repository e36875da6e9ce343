import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.artifacts import manifest
from pipeline.artifacts.tileset import Tileset, read_index
from pipeline.data import tile
from pipeline.files import images, tables
from pipeline.files.images import read_mask
from pipeline.params.steps import Tile
from stages import tile as stage
from tests.support import SCENES
from tests.support.tiny_data import write_raw
from tests.support.tiny_dataset import change, make

VOID = 2


def settings(**changes):
    values = {
        "scale": 1.0, "height": 32, "width": 32, "stride_y": 32, "stride_x": 32,
        "drop_unlabelled": True, "tiles_per_shard": 3,
    }  # fmt: skip
    return Tile(**{**values, **changes})


def tiles_of(folder, split):
    _, index = read_index(folder)
    return index[index["split"] == split].reset_index(drop=True)


def test_images_of_any_size_come_back_from_their_tiles(tmp_path):
    sizes = [(33, 64), (20, 31), (70, 32)]
    raw = tmp_path / "raw"
    source = write_raw(raw, sizes)
    tile.run(source, raw, tmp_path / "tiles", settings(drop_unlabelled=False))
    tileset, index = Tileset(tmp_path / "tiles", "val"), tiles_of(tmp_path / "tiles", "val")
    # 2 x 2, 1 x 1 and 3 x 1 tiles.
    assert index["source"].tolist() == ["val/0"] * 4 + ["val/1"] + ["val/2"] * 3
    for number, (height, width) in enumerate(sizes):
        image = np.zeros((height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        for i, row in index[index["source"] == f"val/{number}"].iterrows():
            part = slice(row.top, row.top + row.height), slice(row.left, row.left + row.width)
            pixels, labels = tileset[i]
            image[part], mask[part] = pixels[: row.height, : row.width], labels[: row.height, : row.width]
            assert (labels[row.height :] == VOID).all()
            assert (labels[:, row.width :] == VOID).all()
            assert not pixels[row.height :].any()
        assert np.array_equal(image, images.read_image(raw / f"images/val/{number}.png"))
        assert np.array_equal(mask, read_mask(raw / f"masks/val/{number}.png"))


def test_the_index_counts_the_pixels_of_each_class_padding_included(tmp_path):
    mask = np.zeros((40, 32), np.uint8)
    mask[32:, :10] = 1
    source = write_raw(tmp_path / "raw", [(40, 32)], [mask])
    tile.run(source, tmp_path / "raw", tmp_path / "tiles", settings())
    index = pd.read_parquet(tmp_path / "tiles/tiles.parquet")  # which any reader of Parquet opens
    counts = [list(pixels) for pixels in index.loc[index["split"] == "train", "pixels"]]
    assert counts == [[1024, 0, 0], [8 * 22, 8 * 10, 24 * 32]]


def test_tiles_of_void_alone_are_dropped_or_kept_as_told(tmp_path):
    mask = np.full((64, 32), VOID, np.uint8)
    mask[0, 0] = 1
    source = write_raw(tmp_path / "raw", [(64, 32)], [mask])
    for drop, count in ((True, 1), (False, 2)):
        tile.run(source, tmp_path / "raw", tmp_path / "tiles", settings(drop_unlabelled=drop))
        assert len(Tileset(tmp_path / "tiles", "train")) == count


def test_images_are_resized_before_they_are_cut_masks_by_nearest_neighbour(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 1
    source = write_raw(tmp_path / "raw", [(64, 64)], [mask])
    tile.run(source, tmp_path / "raw", tmp_path / "tiles", settings(scale=0.5))
    pixels, labels = Tileset(tmp_path / "tiles", "test")[0]
    assert (labels[:, :16] == 0).all()
    assert (labels[:, 16:] == 1).all()
    image = images.read_image(tmp_path / "raw" / "images/test/0.png").astype(float)
    # Antialiased: a pixel of the half is close to the mean of four and more of the whole, so that noise shrinks.
    assert pixels.std() < 0.7 * image.std()
    assert pixels.mean() == pytest.approx(image.mean(), abs=2)


def test_the_same_images_give_the_same_bytes_and_shards_close_at_their_size(tmp_path):
    source = write_raw(tmp_path / "raw", [(64, 64), (32, 32), (32, 64)])
    for name in ("a", "b"):
        tile.run(source, tmp_path / "raw", tmp_path / name, settings())
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(
        [f"{split}-0000{i}.arrow" for split in ("train", "val", "test") for i in (0, 1)]
        + ["tiles.json", "tiles.parquet"]
    )
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    _, index = read_index(tmp_path / "a")
    assert index[index["source"] == "train/0"]["shard"].unique().tolist() == ["train-00000.arrow"]


def test_a_split_without_a_tile_is_an_error_and_leaves_the_old_tiles(tmp_path):
    good = write_raw(tmp_path / "raw", [(32, 32)])
    tile.run(good, tmp_path / "raw", tmp_path / "tiles", settings())
    void = write_raw(tmp_path / "raw", [(32, 32)], [np.full((32, 32), VOID, np.uint8)])
    with pytest.raises(ValueError, match="expected a tile in split train, got none"):
        tile.run(void, tmp_path / "raw", tmp_path / "tiles", settings())
    assert len(Tileset(tmp_path / "tiles", "train")) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("is_stored", [True, False])
def test_images_are_objects_only_while_their_shard_is_written(tmp_path, monkeypatch, is_stored):
    source = write_raw(tmp_path / "raw", [(32, 32), (32, 64), (32, 32), (32, 32), (32, 32), (32, 32), (32, 32)])
    source.images.loc[source.images["id"] == "val/3", "problem"] = "broken"
    source.images[manifest.PIXELS] = [[0, 0, 0]] * len(source.images)
    monkeypatch.setattr(tables, "ROW_GROUP", 4)
    manifest.write(source, tmp_path / "raw")
    shards, known = tile._shards(manifest.scan(tmp_path / "raw") if is_stored else source, settings())
    assert (len(shards), known.number, known.largest) == (3 * 3, 20, 32 * 64)
    parts = list(shards)[3:5]
    assert [name for name, _ in parts] == ["val-00000.arrow", "val-00001.arrow"]
    # 1 + 2 tiles, then three of one: rows of the manifest's table, made for each.
    assert [images["id"].tolist() for _, images in parts] == [["val/0", "val/1"], ["val/2", "val/4", "val/5"]]


def test_an_image_without_a_mask_is_left_out_and_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SCENES, "params.yaml")
    source = make(Path("data/raw"))
    manifest.write(change(source, ["train/1"], mask="", mask_height=0, mask_width=0), Path("data/raw"))
    Path("data/raw/masks/train/1.png").unlink()
    stage.main()
    assert "tile: 1 of 9 images left out: see the warnings of validate" in capsys.readouterr().out
    assert set(tiles_of(Path("data/tiles"), "train")["source"]) == {"train/0", "train/2"}


def test_a_data_set_without_test_images_is_tiled(tmp_path):
    source = write_raw(tmp_path / "raw", [(32, 32)])
    without = replace(source, images=source.images[source.images["split"] != "test"], splits=("train", "val"))
    assert tile.run(without, tmp_path / "raw", tmp_path / "tiles", settings()) == {"train": 1, "val": 1}
    _, index = read_index(tmp_path / "tiles")
    assert set(index["split"]) == {"train", "val"}
