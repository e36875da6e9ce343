import dataclasses

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts import manifest
from pipeline.artifacts.manifest import COLUMNS, PIXELS, Head, Manifest
from pipeline.core.classes import CAMVID
from pipeline.files import tables
from tests.support.tiny_dataset import change, make


def example(ids=("test/b", "train/a")):
    rows = [
        {column: {"str": "", "int64": 3, "float64": 0.5}[kind] for column, kind in COLUMNS.items()}
        | {"id": name, "split": name.partition("/")[0], PIXELS: list(range(12))}
        for name in ids
    ]
    return Manifest("camvid", CAMVID, "For research only.", pd.DataFrame(rows))


def test_what_was_written_is_read(tmp_path):
    manifest.write(example(), tmp_path)

    result = manifest.read(tmp_path)

    assert (result.dataset, result.classes, result.licence) == ("camvid", CAMVID, "For research only.")
    assert result.images["id"].tolist() == ["test/b", "train/a"]
    assert result.images["split"].tolist() == ["test", "train"]
    assert result.images["contrast"].tolist() == [0.5, 0.5]
    assert [list(counts) for counts in result.images[PIXELS]] == [list(range(12))] * 2
    assert {column: str(result.images[column].dtype) for column in COLUMNS} == COLUMNS


def test_the_same_images_in_another_order_give_the_same_bytes(tmp_path):
    for name, ids in (("one", ("test/b", "train/a")), ("two", ("train/a", "test/b"))):
        (tmp_path / name).mkdir()
        manifest.write(example(ids), tmp_path / name)

    for file in ("manifest.parquet", "dataset.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def numbered(count):
    return [f"{split}/{i:05d}" for split in ("test", "train") for i in range(count // 2)]


@pytest.mark.parametrize("count", [2, 30_000])  # over a megabyte of digests, where a column begins another page
def test_rows_written_as_they_come_give_the_bytes_of_the_frame(tmp_path, count):
    (tmp_path / "rows").mkdir()
    frame = example(numbered(count))
    frame.images["sha256"] = [f"{i * 0x9E3779B97F4A7C15 % 2**64:064x}" for i in range(count)]
    manifest.write(frame, tmp_path)
    rows = iter(frame.images.to_dict("records"))
    counts = manifest.write_rows(Head("camvid", CAMVID, "For research only."), rows, tmp_path / "rows")
    assert counts == {"test": count // 2, "train": count // 2}
    for file in ("manifest.parquet", "dataset.json"):
        assert (tmp_path / file).read_bytes() == (tmp_path / "rows" / file).read_bytes()


def test_few_rows_are_objects_and_columns_are_written_once_they_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROW_GROUP", 2 * 4096)

    class Row(dict):
        alive, most = 0, 0

        def __init__(self, row):
            super().__init__(row)
            Row.alive += 1
            Row.most = max(Row.most, Row.alive)

        def __del__(self):
            Row.alive -= 1

    one = example().images.to_dict("records")[0]
    rows = (Row({**one, "id": name}) for name in numbered(20_000))
    manifest.write_rows(Head("camvid", CAMVID, ""), rows, tmp_path)
    assert Row.most <= 2 * 4096 + 1  # those that become columns, and those before them, which are dropped next
    with pq.ParquetFile(tmp_path / "manifest.parquet") as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [8192, 8192, 3616]


@pytest.mark.parametrize("ids", [("train/a", "test/b"), ("train/a", "train/a")])
def test_rows_in_another_order_are_refused_and_the_old_manifest_stays(tmp_path, ids):
    manifest.write(example(), tmp_path)
    before = (tmp_path / "manifest.parquet").read_bytes()
    rows = example(ids).images.to_dict("records")
    with pytest.raises(
        ValueError, match=f"expected rows by ascending id, each once, got {ids[1]} after {ids[0]}; sort"
    ):
        manifest.write_rows(Head("camvid", CAMVID, ""), rows, tmp_path)
    assert (tmp_path / "manifest.parquet").read_bytes() == before


def test_an_empty_manifest_is_written_and_read(tmp_path):
    nothing = pd.DataFrame([], columns=[*COLUMNS, PIXELS])
    manifest.write(Manifest("camvid", CAMVID, "", nothing), tmp_path)

    assert len(manifest.read(tmp_path).images) == 0


def test_a_missing_manifest_is_an_error_that_says_what_to_run(tmp_path):
    with pytest.raises(ValueError, match=r"expected the manifest that the download stage writes: .*; run it again"):
        manifest.read(tmp_path)


def test_a_manifest_without_a_column_is_an_error(tmp_path):
    manifest.write(example(), tmp_path)
    pd.DataFrame({"id": ["train/a"]}).to_parquet(tmp_path / "manifest.parquet")

    with pytest.raises(ValueError, match=r"expected columns .*'split'"):
        manifest.read(tmp_path)


def test_a_broken_class_table_is_an_error(tmp_path):
    manifest.write(example(), tmp_path)
    (tmp_path / "dataset.json").write_text('{"dataset": "a", "licence": "", "classes": {}}')

    with pytest.raises(ValueError, match=r"expected the manifest .*: classes\.names: Field required"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.png", "a/../../b.png", "..\\a.png", "a\0.png"])
@pytest.mark.parametrize("column", ["image", "mask"])
def test_an_image_outside_the_folder_is_refused(tmp_path, column, path):
    example_ = example()
    example_.images.loc[0, column] = path
    manifest.write(example_, tmp_path)

    with pytest.raises(ValueError, match=r"expected the manifest .*: expected paths that stay in the folder, got "):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("height", "a", "string: 'a' as a scalar of type int64"),
        ("height", 2.5, "truncated"),
        ("sequence", None, "expected a value of sequence in every row, got none in some"),
        (PIXELS, [1, 2], "ListType can only be casted to FixedSizeListType"),
        (PIXELS, [None] * 12, "expected a value of pixels in every row, got none in some"),
    ],
)
def test_a_column_of_other_values_is_refused(tmp_path, column, value, fault):
    manifest.write(example(), tmp_path)
    images = example().images
    images[column] = pd.Series([value] * len(images), dtype=object)
    images.to_parquet(tmp_path / "manifest.parquet")

    with pytest.raises(ValueError, match=rf"expected the manifest .*: manifest\.parquet: .*{fault}"):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        {"image": ""},
        {"mask": ""},
        {"problem": "mask: broken"},
        {"mask_height": 31},
        {"mask_width": 41},
        {"height": 0, "width": 0},
    ],
)
def test_an_image_that_lacks_something_is_not_usable(tmp_path, fault):
    found = make(tmp_path)
    assert len(found.usable) == len(found.images) == 9
    assert list(change(found, ["val/1"], **fault).usable["id"]) == [i for i in found.images["id"] if i != "val/1"]


def test_a_data_set_may_lack_test_images_and_is_then_scored_on_val(tmp_path):
    manifest.write(dataclasses.replace(example(), splits=("train", "val")), tmp_path)

    result = manifest.read(tmp_path)

    assert (result.splits, result.scored_split) == (("train", "val"), "val")
    assert example().scored_split == "test"


def test_other_splits_are_refused(tmp_path):
    manifest.write(dataclasses.replace(example(), splits=("train", "test")), tmp_path)
    with pytest.raises(ValueError, match=r"expected the splits train, val, test, or all but the last, got "):
        manifest.read(tmp_path)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """What is stored in parts of three rows, and the whole."""
    monkeypatch.setattr(tables, "ROW_GROUP", 3)
    frame = example(numbered(8))
    manifest.write(frame, tmp_path)
    return manifest.scan(tmp_path), frame


def test_a_manifest_is_read_in_parts_of_the_columns_that_are_wanted(stored):
    scanned, whole = stored
    parts = list(scanned.parts(("id", manifest.PIXELS, *manifest.USABLE)))
    assert [len(part.images) for part in parts] == [3, 3, 2]
    assert all(set(part.images) == {"id", manifest.PIXELS, *manifest.USABLE} for part in parts)
    assert [name for part in parts for name in part.images["id"]] == numbered(8)
    assert [part.is_usable.tolist() for part in parts] == [[False] * 3, [False] * 3, [False] * 2]
    assert parts[2].pixels.tolist() == [list(range(12))] * 2
    for each in (scanned, *parts):
        assert (each.dataset, each.classes, each.splits, each.scored_split) == (
            whole.dataset,
            whole.classes,
            whole.splits,
            "test",
        )


@pytest.mark.parametrize("numbers", [[], [0], [7, 0, 3], [2, 2, 5, 4], [6, 7, 6]])
def test_some_rows_are_read_in_the_order_of_their_numbers(stored, numbers):
    scanned, whole = stored
    for rows in (scanned, whole):
        found = rows.rows(np.array(numbers, np.int64), ("id", "split"))
        assert found["id"].tolist() == [numbered(8)[i] for i in numbers]
        assert set(found) >= {"id", "split"}


def test_rows_of_one_part_are_read_once(stored, monkeypatch):
    scanned, _ = stored
    read, reads = tables.read_frame, []
    monkeypatch.setattr(tables, "read_frame", lambda *args: reads.append(args[3]) or read(*args))
    for number in (0, 2, 1, 3, 4, 1):
        scanned.rows(np.array([number]), ("id",))
    assert [groups for groups in reads if groups] == [[0], [1], [0]]


def test_a_stored_manifest_that_changed_is_an_error_where_it_is_read(stored):
    scanned, _ = stored
    (scanned.folder / "manifest.parquet").write_bytes(b"PAR1")
    for read in (lambda: list(scanned.parts(("id",))), lambda: scanned.rows(np.array([1]), ("id",))):
        with pytest.raises(ValueError, match=r"expected the manifest that the download stage writes: .*; run it again"):
            read()
