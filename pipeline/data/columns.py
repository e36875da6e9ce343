"""Many short texts in little memory: as columns of Arrow, since each Python object takes some 50 bytes more."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

_AT_ONCE = 4096  # rows that are Python objects

Text = str | None


def table(names: Sequence[str], rows: Iterable[Sequence[Text]]) -> pa.Table:
    """Return the columns `names` of texts in UTF-8, or None; the rows are taken one after the other."""
    schema = pa.schema([(name, pa.large_string()) for name in names])
    remaining, batches = iter(rows), []
    while some := list(islice(remaining, _AT_ONCE)):
        columns = [pa.array(texts, pa.large_string()) for texts in zip(*some, strict=True)]
        batches.append(pa.record_batch(columns, schema=schema))
    return pa.Table.from_batches(batches, schema).combine_chunks()


def rows(columns: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table of texts, of which a few thousand are Python objects at a time."""
    for batch in columns.to_batches(max_chunksize=_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
