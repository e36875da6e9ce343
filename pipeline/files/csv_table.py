"""CSV files with a header, as RFC 4180 and every reader of CSV understand them."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.files import atomic
from pipeline.files.printable import printable

_END = "\r\n"


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with Unix line endings; the same table gives the same bytes.

    Text comes back exactly from any reader, with its commas, quotes and line breaks, except other control characters,
    which are written as `printable` does. A cell that begins with = + - or @ is not changed, although a spreadsheet
    takes it for a formula: see docs/decisions/evaluation.md.
    """
    text = io.StringIO()
    for row in (header, *rows):
        line = io.StringIO(newline="")
        # Of carriage return and line feed, Python 3.11 quotes only those that its line ending contains.
        csv.writer(line, lineterminator=_END).writerow([_cell(value) for value in row])
        text.write(line.getvalue().removesuffix(_END) + "\n")
    atomic.write_text(path, text.getvalue())


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table as mappings from its header.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8, not CSV, or a row is not as long as the header.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        return [dict(zip(header, row, strict=True)) for row in rows]
    except csv.Error as err:
        raise ValueError(str(err)) from err


def _cell(value: Any) -> Any:
    return printable(value, keep="\r\n\t") if isinstance(value, str) else value
