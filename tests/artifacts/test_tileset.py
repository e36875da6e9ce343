import hashlib
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.artifacts import shard, tileset
from pipeline.artifacts.shard import Header
from pipeline.artifacts.tileset import Tileset
from pipeline.core.classes import ClassTable
from tests.support.tiny_data import write_index

CLASSES = ClassTable(("road", "sky"), ((1, 2, 3), (4, 5, 6)), (0, 0, 0), (0.5, 2.0))
HEADER = Header("toy", CLASSES, height=4, width=5, scale=0.5)


def tiles(count, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 4, 5, 3)).astype(np.uint8)
    return images, generator.integers(0, 3, (count, 4, 5)).astype(np.uint8)


def rows(split, shard, count):
    place = {"source": "a", "sequence": "s", "top": 0, "left": 0, "height": 4, "width": 5, "pixels": [20, 0, 0]}
    return [{"split": split, "shard": shard, "row": i, **place} for i in range(count)]


@pytest.fixture
def folder(tmp_path):
    images, masks = tiles(5)
    shard.write(tmp_path / "a.arrow", HEADER, [(images[:3], masks[:3]), (images[3:], masks[3:])])
    shard.write(tmp_path / "b.arrow", HEADER, [tiles(2, seed=1)])
    write_index(tmp_path, HEADER, pd.DataFrame(rows("train", "a.arrow", 5) + rows("val", "b.arrow", 2)))
    return tmp_path


def test_what_was_written_is_read(folder):
    result = Tileset(folder, "train")
    images, masks = tiles(5)
    assert result.header == HEADER
    assert len(result) == 5
    for i in range(5):
        assert np.array_equal(result[i][0], images[i])
        assert np.array_equal(result[i][1], masks[i])
    assert np.array_equal(Tileset(folder, "val")[1][0], tiles(2, seed=1)[0][1])


def test_tiles_of_several_splits_are_numbered_as_the_index_lists_them(folder):
    result = Tileset(folder, "train", "val")
    assert len(result) == 7
    assert np.array_equal(result[4][0], tiles(5)[0][4])
    assert np.array_equal(result[6][1], tiles(2, seed=1)[1][1])
    assert len(result.pixels()) == len(result.sources(range(7))) == 7


def test_tiles_are_views_of_the_mapped_file(folder):
    image, _ = Tileset(folder, "train")[0]
    assert not image.flags.owndata
    assert not image.flags.writeable


def test_batches_come_in_the_order_asked_for(folder):
    images, masks = tiles(5)
    batches = list(Tileset(folder, "train").batches([[4, 0], [1], [2, 3], [0]]))
    assert [len(batch) for batch, _ in batches] == [2, 1, 2, 1]
    assert np.array_equal(batches[0][0], images[[4, 0]])
    assert np.array_equal(batches[2][1], masks[[2, 3]])


def test_few_shards_are_open_at_once_and_the_one_unused_for_longest_is_closed(folder, monkeypatch):
    for i in range(5):
        shard.write(folder / f"{i}.arrow", HEADER, [tiles(1, seed=i)])
    index = [row for i in range(5) for row in rows("train", f"{i}.arrow", 1)]
    write_index(folder, HEADER, pd.DataFrame(index))
    monkeypatch.setattr(tileset, "_OPEN", 2)

    def mapped():
        return {name for name in map("{}.arrow".format, range(5)) if f"{folder}/{name}\n" in maps.read_text()}

    maps, result = Path("/proc/self/maps"), Tileset(folder, "train")
    assert mapped() == {"0.arrow", "1.arrow"}
    for i in (0, 2, 0, 3):
        assert np.array_equal(result[i][0], tiles(1, seed=i)[0][0])
    assert mapped() == {"0.arrow", "3.arrow"}


def test_a_shard_beyond_the_first_ones_is_checked_when_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(tileset, "_OPEN", 0)
    write_index(folder, HEADER, pd.DataFrame(rows("train", "a.arrow", 6)))
    result = Tileset(folder, "train")
    with pytest.raises(ValueError, match=r"a\.arrow: expected tile 5, got 5 tiles"):
        result[0]


def test_no_batches_are_none(folder):
    assert list(Tileset(folder, "train").batches([])) == []


def test_tiles_name_the_images_that_they_were_cut_from(folder):
    named = [
        {**row, "source": f"image {i}"} for i, row in enumerate(rows("val", "b.arrow", 2) + rows("train", "a.arrow", 5))
    ]
    write_index(folder, HEADER, pd.DataFrame(named))
    assert Tileset(folder, "train").sources([4, 0]) == ["image 6", "image 2"]


def test_pixel_counts_are_those_of_the_split(folder):
    assert Tileset(folder, "val").pixels().tolist() == [[20, 0, 0]] * 2


def test_the_same_tiles_give_the_same_bytes(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    images, masks = tiles(5)
    shard.write(other / "a.arrow", HEADER, [(images[:3], masks[:3]), (images[3:], masks[3:])])
    shard.write(other / "b.arrow", HEADER, [tiles(2, seed=1)])
    write_index(other, HEADER, pd.DataFrame(rows("train", "a.arrow", 5) + rows("val", "b.arrow", 2)))
    for name in ("a.arrow", "tiles.json", "tiles.parquet"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()


def test_a_missing_index_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"expected tiles that the tile stage wrote.*run it again"):
        Tileset(tmp_path, "train")


def test_a_header_with_an_unknown_key_is_an_error(folder):
    tree = json.loads((folder / "tiles.json").read_text())
    (folder / "tiles.json").write_text(json.dumps({**tree, "depth": 3}))
    with pytest.raises(ValueError, match="expected tiles that the tile stage wrote"):
        Tileset(folder, "train")


@pytest.mark.parametrize("keep", [0, 10, 0.5])
def test_a_truncated_shard_is_an_error(folder, keep):
    data = (folder / "a.arrow").read_bytes()
    (folder / "a.arrow").write_bytes(data[: int(keep * len(data)) if keep == 0.5 else keep])
    with pytest.raises(ValueError, match=r"a\.arrow: expected a shard of \(4, 5\) tiles.*run the tile stage again"):
        Tileset(folder, "train")


def test_a_row_beyond_its_shard_is_an_error(folder):
    write_index(folder, HEADER, pd.DataFrame(rows("train", "a.arrow", 6)))
    with pytest.raises(ValueError, match=r"a\.arrow: expected tile 5, got 5 tiles"):
        Tileset(folder, "train")


def test_a_shard_without_a_digest_is_refused(folder):
    tree = json.loads((folder / "tiles.json").read_text())
    del tree["sha256"]["b.arrow"]
    (folder / "tiles.json").write_text(json.dumps(tree))
    with pytest.raises(ValueError, match=r"expected the SHA-256 of each shard, got none of b\.arrow; run it again"):
        Tileset(folder, "train")


def test_tiles_json_names_the_sha256_of_every_other_file(folder):
    names = ("a.arrow", "b.arrow", "tiles.parquet")
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    assert tileset.sha256(folder / "tiles.json") == digests


def test_files_are_found_when_they_are_asked_for_and_beforehand(folder):
    found = []

    def find(name):
        found.append(name)
        return folder / name

    result = Tileset(find, "train")
    assert set(found) == {"tiles.json", "tiles.parquet"}
    images, masks = tiles(5)
    batches = list(result.batches([[4, 0], [1], [2, 3]]))
    assert np.array_equal(np.concatenate([batch for batch, _ in batches]), images[[4, 0, 1, 2, 3]])
    assert np.array_equal(np.concatenate([batch for _, batch in batches]), masks[[4, 0, 1, 2, 3]])
    assert "b.arrow" not in found

    long = Tileset(find, "val").batches([[0]] * 20 + [[1]])
    found.clear()
    next(long)
    until = time.monotonic() + 10
    while "b.arrow" not in found and time.monotonic() < until:
        time.sleep(0.01)
    assert "b.arrow" in found
    long.close()


def test_a_shard_that_others_remove_is_found_again_and_its_space_given_back(folder, tmp_path_factory):
    cache, removals = tmp_path_factory.mktemp("cache"), iter([True, True, False])

    def find(name):
        shutil.copy(folder / name, cache / name)
        if name == "a.arrow" and next(removals, False):
            (cache / name).unlink()  # by another process, before it is opened
        return cache / name

    result = Tileset(find, "train")
    assert np.array_equal(result[1][0], tiles(5)[0][1])
    (cache / "a.arrow").unlink()
    assert np.array_equal(result[2][0], tiles(5)[0][2])  # it was opened anew
    gone = f"{cache}/a.arrow (deleted)"
    assert gone not in Path("/proc/self/maps").read_text()


def test_a_shard_that_cannot_be_found_is_an_error(folder, tmp_path_factory):
    with pytest.raises(ValueError, match=r"expected a shard of \(4, 5\) tiles"):
        Tileset(lambda name: folder / name if name != "a.arrow" else folder / "none", "train")[0]


def test_a_shard_of_other_tiles_is_refused(folder):
    header = Header("toy", CLASSES, height=5, width=4, scale=0.5)
    swapped = [values.swapaxes(1, 2) for values in tiles(5)]
    shard.write(folder / "a.arrow", Header("toy", CLASSES, height=2, width=2, scale=0.5), [])
    with pytest.raises(ValueError, match=r"a\.arrow: expected a shard of \(4, 5\) tiles: got image: fixed_size_list"):
        Tileset(folder, "train")
    shard.write(folder / "a.arrow", header, [tuple(swapped)])  # of the same number of pixels: it cannot be told
    assert len(Tileset(folder, "train")) == 5


def test_a_shard_outside_the_folder_is_refused(folder):
    index = pd.read_parquet(folder / "tiles.parquet")
    index["shard"] = "../a.arrow"
    index.to_parquet(folder / "tiles.parquet")
    with pytest.raises(ValueError, match=r"expected paths that stay in the folder, got '\.\./a\.arrow'; run it again"):
        Tileset(folder, "train")


@pytest.mark.parametrize(("key", "value"), [("height", 0), ("width", 20_001), ("scale", 0), ("scale", 1.5)])
def test_a_header_out_of_range_is_refused(folder, key, value):
    tree = json.loads((folder / "tiles.json").read_text())
    (folder / "tiles.json").write_text(json.dumps({**tree, key: value}))
    with pytest.raises(ValueError, match=f"expected tiles that the tile stage wrote: {key}: Input should be"):
        Tileset(folder, "train")
