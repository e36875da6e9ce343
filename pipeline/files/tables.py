"""Reading and writing Parquet tables with known columns."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW_GROUP = 2**16  # rows that are held as columns until they are written
_LEAVING = r"^/|(^|/)\.\.(/|$)|\\|\x00"
_TYPES: dict[str, pa.DataType] = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64()}


def schema(columns: Mapping[str, str], lists: Mapping[str, int]) -> pa.Schema:
    """Return the schema of `columns`, each "str", "int64" or "float64", and of int64 `lists` of fixed length."""
    types: dict[str, pa.DataType] = {name: _TYPES[kind] for name, kind in columns.items()}
    return pa.schema({**types, **{name: pa.list_(pa.int64(), length) for name, length in lists.items()}})


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write a table as its rows come; about 65,536 of them are held, which are a row group."""
    with pq.ParquetWriter(path, schema) as writer:
        held, num_rows = list[pa.RecordBatch](), 0
        for batch in batches:
            held.append(batch)
            num_rows += len(batch)
            if num_rows >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(held).combine_chunks())
                held, num_rows = [], 0
        if held:
            writer.write_table(pa.Table.from_batches(held).combine_chunks())


def read(path: Path, expected: pa.Schema) -> pa.Table:
    """Return the columns that `expected` names, cast to its types; others are left out.

    Raises:
        ValueError: not a complete Parquet file, a column is missing or of another type, or a value is missing.
    """
    return pa.table(dict(_columns(path, expected)))


def _columns(path: Path, expected: pa.Schema, row_groups: list[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the name and the content of each column; see `read`. Of the file, one column is held at a time."""
    try:
        with pq.ParquetFile(path) as file:
            groups = list(range(file.num_row_groups)) if row_groups is None else row_groups
            missing = [name for name in expected.names if name not in file.schema_arrow.names]
            if missing:
                raise ValueError(f"expected columns {missing}")
            for name in expected.names:
                read = file.read_row_groups(groups, columns=[name])
                column = read.select([name]).cast(pa.schema([expected.field(name)]))[name]
                column.validate(full=True)
                is_list = pa.types.is_fixed_size_list(column.type)
                if column.null_count or (is_list and pc.list_flatten(column).null_count):
                    raise ValueError(f"expected a value of {name} in every row, got none in some")
                yield name, column
    except (OSError, ValueError, OverflowError, TypeError, pa.ArrowException) as err:
        raise ValueError(f"{path.name}: {err}") from err


def lengths(path: Path) -> list[int]:
    """Return the number of rows of each row group.

    Raises:
        ValueError: not a complete Parquet file.
    """
    try:
        with pq.ParquetFile(path) as file:
            return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (OSError, pa.ArrowException) as err:
        raise ValueError(f"{path.name}: {err}") from err


def check_paths(paths: Iterable[str]) -> None:
    """Raise ValueError unless each "/"-separated path stays within its folder; "" stands for no file."""
    texts = pa.array(paths, pa.large_string())
    leaving = texts.filter(pc.match_substring_regex(texts, _LEAVING))
    if len(leaving):
        raise ValueError(f"expected paths that stay in the folder, got {leaving[0].as_py()!r}")


def read_frame(
    path: Path, columns: Mapping[str, str], lists: Mapping[str, int], row_groups: list[int] | None = None
) -> pd.DataFrame:
    """Return a table of `columns` and `lists`, as in `schema`, as a data frame; lists stay columns of Arrow.

    Args:
        path: of the table.
        columns: those that are read.
        lists: likewise.
        row_groups: the numbers of those that are read; None: all.

    Raises:
        ValueError: as for `read`.
    """
    arrays: dict[str, Any] = {}  # not Series, which pandas would fill up to one length
    for name, column in _columns(path, schema(columns, lists), row_groups):
        is_list = name not in columns
        arrays[name] = (
            pd.arrays.ArrowExtensionArray(column) if is_list else column.to_pandas().astype(columns[name]).array
        )
        pa.default_memory_pool().release_unused()
    return pd.DataFrame(arrays, copy=False)


def matrix(lists: "pd.Series[Any] | pa.ChunkedArray[Any]", length: int) -> npt.NDArray[np.int64]:
    """Return a column of lists of int64, each of this length, as an array (N, length)."""
    column: Any = lists if isinstance(lists, pa.ChunkedArray) else pa.array(lists, pa.list_(pa.int64(), length))
    values: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    numbers: npt.NDArray[np.int64] = values.flatten().to_numpy()
    return numbers.reshape(len(lists), length)
