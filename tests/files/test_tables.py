import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.files import tables

COLUMNS, LISTS = {"name": "str", "count": "int64"}, {"pixels": 2}
FRAME = pd.DataFrame({"name": ["a", "b"], "count": [1, 2], "pixels": [[1, 2], [3, 4]]})


def read(tmp_path, frame):
    frame.to_parquet(tmp_path / "a.parquet")
    return tables.read_frame(tmp_path / "a.parquet", COLUMNS, LISTS)


def test_the_columns_wanted_are_read_and_others_left_out(tmp_path):
    frame = read(tmp_path, FRAME.assign(more=1.5))
    assert {name: str(frame[name].dtype) for name in frame} == {
        "name": "str",
        "count": "int64",
        "pixels": "fixed_size_list<item: int64>[2][pyarrow]",
    }
    assert [frame["name"].tolist(), frame["count"].tolist()] == [["a", "b"], [1, 2]]
    assert [list(each) for each in frame["pixels"]] == [[1, 2], [3, 4]]


def test_the_schema_names_columns_then_lists():
    assert tables.schema(COLUMNS, LISTS) == pa.schema(
        [("name", pa.string()), ("count", pa.int64()), ("pixels", pa.list_(pa.int64(), 2))]
    )


def test_rows_that_come_in_parts_give_the_file_of_the_whole_in_row_groups_of_many(tmp_path, monkeypatch):
    schema = tables.schema(COLUMNS, LISTS)
    batch = pa.RecordBatch.from_pylist(FRAME.to_dict("records"), schema)
    pq.write_table(pa.Table.from_batches([batch]), tmp_path / "whole.parquet")
    tables.write(tmp_path / "parts.parquet", schema, iter([batch[:1], batch[1:]]))
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    monkeypatch.setattr(tables, "ROW_GROUP", 3)
    tables.write(tmp_path / "groups.parquet", schema, iter([batch] * 5))
    metadata = pq.read_metadata(tmp_path / "groups.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [4, 4, 2]


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (FRAME.drop(columns="count"), r"expected columns \['count'\]"),
        (FRAME.assign(count=["x", "y"]), r"a\.parquet: .*'[xy]'"),
        (FRAME.assign(name=[None, "b"]), r"a\.parquet: expected a value of name in every row, got none in some"),
        (FRAME.assign(pixels=[[1, None], [3, 4]]), r"a\.parquet: expected a value of pixels in every row, got none"),
        (FRAME.assign(pixels=[[1, 2], [3]]), r"a\.parquet: "),
    ],
)
def test_other_tables_are_refused(tmp_path, frame, fault):
    with pytest.raises(ValueError, match=fault):
        read(tmp_path, frame)


def test_what_is_not_parquet_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"^a\.parquet: "):
        tables.read(tmp_path / "a.parquet", tables.schema(COLUMNS, LISTS))


@pytest.mark.parametrize("path", ["/a", "../a", "a/../../b", "a\\b", "a\0b"])
def test_paths_that_leave_the_folder_are_refused(path):
    tables.check_paths(["", "a/b.png", "a..b"])
    with pytest.raises(ValueError, match="expected paths that stay in the folder, got "):
        tables.check_paths(["a", path])


@pytest.mark.parametrize("rows", [[0, 1], [1, 0, 1], [1], []])
def test_lists_become_one_array_whether_they_were_read_or_made(tmp_path, rows):
    FRAME.to_parquet(tmp_path / "a.parquet")
    expected = np.array([[1, 2], [3, 4]])[rows]
    for frame in (FRAME, tables.read_frame(tmp_path / "a.parquet", COLUMNS, LISTS)):
        found = tables.matrix(frame.iloc[rows]["pixels"], 2)
        assert found.shape == (len(rows), 2)
        assert found.dtype == np.int64
        assert np.array_equal(found, expected.reshape(-1, 2))
