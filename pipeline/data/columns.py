"""Many short texts in little memory: as columns of Arrow, since each Python object takes some 50 bytes more."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

_AT_ONCE = 4096  # rows that are Python objects

Text = str | None
Texts: TypeAlias = "pa.ChunkedArray[Any]"
Item = TypeVar("Item")


class Items(Collection[Item]):
    """Items made of a few texts or numbers each, which are kept: a few thousand of the items are there at a time."""

    def __init__(self, texts: pa.Table, item: Callable[..., Item]) -> None:
        """Take a row of texts for each item, and what makes an item of them."""
        self._texts, self._item = texts, item

    def __len__(self) -> int:
        """Return their number."""
        return len(self._texts)

    def __iter__(self) -> Iterator[Item]:
        """Yield them in the order of the rows."""
        return (self._item(*row) for row in rows(self._texts))

    def __contains__(self, item: object) -> bool:
        """Return whether `item` is one of them."""
        return any(each == item for each in self)


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


def equals_last(texts: Texts) -> Any:
    """Return, for each of some texts of which none is None, whether it is the one before it: an array of bool."""
    alike: Any = pc.equal(texts[1:], texts[:-1])
    return pa.concat_arrays([pa.array([False] * bool(len(texts)), pa.bool_()), alike.combine_chunks()])
