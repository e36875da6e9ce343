"""Encoded images and masks in shards: what is written, found again and refused."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from pipeline.artifacts import raw_files
from pipeline.artifacts.raw_files import Image, RawFiles, file_of, into_shards

PLACE = "shards/00000.arrow/0/0/image"


def write(folder, contents):
    """Write images and masks of these bytes into shards; return the rows.

    `contents` has (image, mask, outside_mask) by id; None: there is none.
    """
    folder.mkdir()
    rows = list(into_shards(images(contents), folder))
    assert [path.name for path in folder.iterdir()] == ["shards"]
    return rows


def images(contents):
    for image_id, parts in contents.items():
        there = dict(zip(("image", "mask", "outside_mask"), parts, strict=True))
        row = {kind: "" if content is None else f"images/{image_id}.{kind}" for kind, content in there.items()}
        yield Image(
            {"id": image_id, "height": 7, **row}, {kind: each for kind, each in there.items() if each is not None}
        )


@pytest.fixture
def small(monkeypatch):
    """Batches end at 4 bytes, shards at 10, and two shards are open at once."""
    for name, value in {"_BATCH_BYTES": 4, "_SHARD_BYTES": 10, "_OPEN": 2}.items():
        monkeypatch.setattr(raw_files, name, value)


def test_rows_tell_the_places_of_what_was_written(tmp_path):
    rows = write(tmp_path / "raw", {"a": (b"A", b"M", b"O"), "b": (None, b"N", None), "c": (b"C", None, None)})
    start = "shards/00000.arrow/0"
    assert rows == [
        {"id": "a", "height": 7}
        | {"image": f"{start}/0/image", "mask": f"{start}/0/mask", "outside_mask": f"{start}/0/outside_mask"},
        {"id": "b", "height": 7, "image": "", "mask": f"{start}/1/mask", "outside_mask": ""},
        {"id": "c", "height": 7, "image": f"{start}/2/image", "mask": "", "outside_mask": ""},
    ]
    source = RawFiles(tmp_path / "raw").source
    assert [source(row[kind]) for row in rows for kind in ("image", "mask", "outside_mask") if row[kind]] == [
        *(b"A", b"M", b"O", b"N", b"C")
    ]


def test_any_reader_of_arrow_reads_a_shard(tmp_path):
    write(tmp_path / "raw", {"a": (b"A", b"M", None), "b": (b"B", b"N", b"O")})
    with pa.OSFile(str(tmp_path / "raw/shards/00000.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
    assert table.to_pydict() == {
        "id": ["a", "b"], "image": [b"A", b"B"], "mask": [b"M", b"N"], "outside_mask": [None, b"O"],
    }  # fmt: skip


def test_a_batch_and_a_shard_end_with_the_image_that_brings_them_to_their_size(tmp_path, small):
    sizes = [3, 1, 4, 1, 9, 20, 1]  # bytes: batches 3 + 1, 4, 1 + 9: 18 in all; then 20; then 1
    rows = write(tmp_path / "raw", {str(i): (bytes(size), None, None) for i, size in enumerate(sizes)})
    places = [row["image"].removeprefix("shards/").removesuffix("/image") for row in rows]
    assert places == [
        *("00000.arrow/0/0", "00000.arrow/0/1", "00000.arrow/1/0", "00000.arrow/2/0", "00000.arrow/2/1"),
        *("00001.arrow/0/0", "00002.arrow/0/0"),
    ]
    assert {path.name for path in (tmp_path / "raw/shards").iterdir()} == {f"0000{i}.arrow" for i in range(3)}
    read = RawFiles(tmp_path / "raw")
    assert [len(read.source(row["image"])) for row in rows] == sizes


def test_files_hold_what_the_image_has(tmp_path):
    [image] = images({"a": (b"A", None, b"O")})
    assert raw_files.write(image, tmp_path) == image.row
    assert {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.glob("*/*")} == {
        "images/a.image": b"A", "images/a.outside_mask": b"O",
    }  # fmt: skip


def test_the_same_images_give_the_same_shards(tmp_path, small):
    contents = {str(i): (bytes([i]) * i, bytes(i), None if i % 3 else b"O") for i in range(40)}
    shards = []
    for name in ("one", "two"):
        write(tmp_path / name, contents)
        shards.append({path.name: path.read_bytes() for path in (tmp_path / name / "shards").iterdir()})
    assert shards[0] == shards[1]
    assert len(shards[0]) > 10


def test_a_batch_is_all_that_is_held_while_a_shard_is_written(tmp_path):
    contents = ((str(i), (bytes(300_000), bytes(1000), None)) for i in range(60))
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    tracemalloc.start()
    try:
        taken = (image for one in contents for image in images(dict([one])))
        assert sum(1 for _ in into_shards(taken, tmp_path)) == 60
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 1_200_000 < peak < 2_000_000  # four images, 1.2 MB, make a batch
    assert pool.max_memory() - before < 4_000_000  # Arrow doubles a column that grows
    assert (tmp_path / "shards/00000.arrow").stat().st_size > 18_000_000


def test_without_images_there_is_no_shard(tmp_path):
    assert write(tmp_path / "raw", {}) == []
    assert list((tmp_path / "raw/shards").iterdir()) == []


def test_a_file_of_its_own_is_found_at_its_path(tmp_path):
    assert RawFiles(tmp_path).source("images/train/a.png") == tmp_path / "images/train/a.png"


def test_a_place_is_in_its_shard_or_is_a_file(tmp_path):
    assert file_of("shards/00012.arrow/3/17/outside_mask") == "shards/00012.arrow"
    assert file_of("images/train/a.png") == "images/train/a.png"
    assert file_of("") == ""


def test_threads_read_from_more_shards_than_are_open(tmp_path, small):
    contents = {f"{i:03d}": (b"%09d" % i, b"%02d" % i, None) for i in range(60)}
    rows = write(tmp_path / "raw", contents)
    assert rows[-1]["image"].startswith("shards/00059.arrow")
    read = RawFiles(tmp_path / "raw")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read.source, [row["image"] for row in rows] * 20))
    assert found == [b"%09d" % i for i in range(60)] * 20
    assert len(read._shards) == 2


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        ("shards/00000.arrow/0/2/image", "index out of bounds"),
        ("shards/00000.arrow/7/0/image", "Batch number 7 out of range"),
        ("shards/00000.arrow/0/0/outside_mask", "there is none"),
        ("shards/00000.arrow/0/0/id", "the place is not one of a shard"),
        ("shards/00000.arrow", "the place is not one of a shard"),
        ("shards/../00000.arrow/0/0/image", "the place is not one of a shard"),
        ("shards/00001.arrow/0/0/image", "No such file or directory"),
    ],
)
def test_a_place_at_which_nothing_is_says_what_to_do(tmp_path, place, cause):
    write(tmp_path / "raw", {"a": (b"A", b"M", None), "b": (b"B", None, None)})
    with pytest.raises(
        ValueError, match=r"expected the shard with .* that the download stage writes: .*; run it again"
    ) as e:
        RawFiles(tmp_path / "raw").source(place)
    assert place in str(e.value)
    assert cause in str(e.value)


def test_a_damaged_shard_says_what_to_do(tmp_path):
    write(tmp_path / "raw", {"a": (b"A", b"M", None)})
    shard = tmp_path / "raw/shards/00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"raw/shards/00000\.arrow: expected the shard with .* stage writes: .*; run"):
        RawFiles(tmp_path / "raw").source(PLACE)


def test_an_arrow_file_of_other_columns_is_no_shard(tmp_path):
    (tmp_path / "shards").mkdir()
    table = pa.table({"image": [b"A"]})
    with pa.ipc.new_file(str(tmp_path / "shards/00000.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match=r"expected the shard .*: got the columns image; run it again"):
        RawFiles(tmp_path).source(PLACE)
