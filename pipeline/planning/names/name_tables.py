"""Class names in the rows or records of a file: which of their columns are names, values and colours."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pipeline.files.decoding import suffixes
from pipeline.planning.contents import Label
from pipeline.planning.names import name_cells
from pipeline.planning.names.label_names import words

_NAMES = (
    r"readable",
    r"((class|label|category|object|display|english) ?)?names?",
    r"class(es)?|labels?|objects?|title|classes names",
    r"categor(y|ies)|land ?(cover|use)( class)?|type|meaning|description",
)
"""Titles of names, of which the first count for more."""
_VALUE = (
    r"((mask|pixel|raster|label|class|category|train|grey|gray|colou?r)s? ?)?(value|id|ids|idx|index|code)|"
    r"(train|label|class|category)id|gr[ae]y|no|nr|dn|key|class|label|category"
)
_PRIMARIES = tuple(rf"((rgb|colou?r) ?)?({each})( ?value)?" for each in ("r|red", "g|green", "b|blue"))
_TITLE = r"readable|((class|label|category) ?)?(names?|title)|class(es)?|labels?|categor(y|ies)"
_MANY = 256  # rows, of which ten to a value are no classes
_COLOUR = r"(rgb|hex|colou?r)s?( ?(rgb|hex|code|value|list|map))?"


class UnclearError(ValueError):
    """A file of names does not say what each label is called; the message says why."""


@dataclass(frozen=True)
class Reading:
    """Names as one reading of a file has them."""

    texts: Mapping[Label, str]
    is_list: bool = False
    """Whether the names stand without values, in their order."""
    by: str = ""
    """Title of the column whose values they are, where there are several."""
    others: Mapping[Label, Sequence[str]] = field(default_factory=dict)
    """Further names of a label, of which the first counts."""


def reading(pairs: Iterable[tuple[int | None, str]], *, by: str = "") -> Reading:
    """Return the names of labels, of which several may share one, as Cityscapes' black; those without are left out."""
    found: dict[Label, dict[str, str]] = {}
    for label, text in pairs:
        if label is not None:
            found.setdefault(label, {}).setdefault(words(text) or text, text)
    of_label = {label: list(names.values()) for label, names in found.items()}
    others = {label: names[1:] for label, names in of_label.items() if len(names) > 1}
    return Reading({label: names[0] for label, names in of_label.items()}, by=by, others=others)


def of_rows(rows: Sequence[Sequence[str]], kind: str) -> list[Reading]:
    """Return the readings of a table, whose first row may be of titles; several, where columns of values differ.

    Args:
        rows: cells.
        kind: index or colour.

    Raises:
        UnclearError: it does not say which name belongs to which label.
    """
    width = max(map(len, rows), default=0)
    filled = [[*(cell.strip() for cell in row), *[""] * (width - len(row))] for row in rows if any(row)]
    if not filled:
        return []
    rest = filled[1:]
    if are_titles(filled[0], rest):
        return of_columns(_titled(filled[0], list(zip(*rest, strict=True))), kind)
    if not rest and any(map(is_title, filled[0])):
        return []
    return of_columns(_by_form(list(zip(*filled, strict=True))), kind)


def _by_form(columns: Sequence[Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return columns without titles by those that only they can have."""
    numeric = [cells for cells in columns if name_cells.are_numbers(cells)]
    colours = [cells for cells in columns if name_cells.are_colours(cells)]
    texts = [cells for cells in columns if cells not in numeric and cells not in colours]
    if not texts:
        raise UnclearError(f"expected names, got {columns[0][0]}")
    if len(numeric) not in (0, 1, 3, 4):
        raise UnclearError(f"its {len(numeric)} columns of numbers have no titles")
    name = min(texts, key=lambda cells: len(set(cells)) < len(cells))  # not a group's
    titled = dict(zip(("name", "color"), (name, *colours[:1]), strict=False))
    if len(numeric) > 1:
        rows = [[name_cells.number(cell) or 0 for cell in row] for row in zip(*numeric, strict=True)]
        place = name_cells.place_of_colour(rows) or 0
        titled |= dict(zip("rgb", numeric[place : place + 3], strict=True))
        numeric = [*numeric[:place], *numeric[place + 3 :]]
    for cells in numeric:
        is_before = columns.index(cells) < columns.index(name)
        if is_before or name_cells.are_consecutive(name_cells.values(cells)):
            titled["value"] = cells
        elif set(cells) != {"255"}:  # opacity; other numbers behind names may be counts
            titled["numbers"] = cells
    return titled


def _titled(first: Sequence[str], columns: Sequence[Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return columns by their titles in small letters."""
    titled: dict[str, Sequence[str]] = {}
    for number, (cell, cells) in enumerate(zip(first, columns, strict=True), 1):
        title = words(cell) or f"column {number}"
        if title in titled and list(cells) != list(titled[title]):
            raise UnclearError(f"two of its columns are called {cell!r}")
        titled[title] = cells
    return titled


def are_titles(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Return whether a row is of titles: it has a known one, or numbers stand below it alone."""
    if not rest or any(name_cells.number(cell) is not None for cell in first):
        return False
    return any(map(is_title, first)) or any(name_cells.are_numbers(cells) for cells in zip(*rest, strict=True))


def is_title(text: str) -> bool:
    """Return whether this is a title of a column or list of names, and hardly the name of a class."""
    return re.fullmatch(_TITLE, words(text)) is not None


def of_columns(columns: Mapping[str, Sequence[str]], kind: str) -> list[Reading]:
    """Return the readings of columns by their titles in small letters; see of_rows."""
    num, columns = len(columns), {title: cells for title, cells in columns.items() if not _are_pictures(cells)}
    if len(columns) < num and not any(
        name_cells.are_numbers(cells) or name_cells.are_colours(cells) for cells in columns.values()
    ):
        return []  # a list of images
    title = _title_of_names(columns)
    texts, rest = columns[title], {other: columns[other] for other in columns if other != title}
    if numbers := [text for text in texts if name_cells.number(text) is not None]:
        raise UnclearError(f"expected names, got {numbers[0]}")
    if not all(texts):
        raise UnclearError(f"number {list(texts).index('') + 1} of what it lists has no name")
    colours = _colours(rest)
    if kind == "colour":
        if colours and set(colours) == {None}:
            raise UnclearError("expected colours as three numbers up to 255, or in hexadecimal")
        return [reading(zip(colours, texts, strict=True))] if colours else []
    found = [
        reading(zip(numbers, texts, strict=True), by=other)
        for other, numbers in _columns_of_values(rest).items()
        if re.fullmatch(_VALUE, other)
    ]
    if any(len(texts) > _MANY and 10 * len(each.texts) < len(texts) for each in found):
        return []  # a list of images
    if found:
        return found
    _refuse_unread_values(rest)
    return _without_values(texts, rest, colours)


def _refuse_unread_values(columns: Mapping[str, Sequence[str]]) -> None:
    """Raise UnclearError for a column whose title says that it has values, and nothing else, and that has none."""
    for title, cells in columns.items():
        unread = [cell for cell in cells if cell and not re.fullmatch(name_cells.DECIMAL, cell)]
        if unread and re.fullmatch(_VALUE, title) and not re.fullmatch("|".join(_NAMES), title):
            raise UnclearError(f"expected numbers in its column {title}, got {unread[0]!r}")


def _columns_of_values(columns: Mapping[str, Sequence[str]]) -> dict[str, list[int | None]]:
    return {title: found for title, cells in columns.items() if set(found := name_cells.values(cells)) != {None}}


def _without_values(
    texts: Sequence[str], rest: Mapping[str, Sequence[str]], colours: Sequence[int | None]
) -> list[Reading]:
    """Return the readings of names in their order, or by a column that may be their values, or by greys."""
    in_order = Reading(dict(enumerate(texts)), is_list=True, by="order")
    known = "|".join((*_PRIMARIES, _COLOUR))
    others = {
        other: cells
        for other, cells in rest.items()
        if name_cells.are_numbers(cells) and not re.fullmatch(known, other)
    }
    values = _columns_of_values(others)
    if len(others) == len(values) == 1:
        [(title, numbers)] = values.items()
        if len(set(numbers)) == len(numbers):
            return [reading(zip(numbers, texts, strict=True), by=title), in_order]
    if others or len(set(texts)) < len(texts):
        raise UnclearError(f"none of its columns' titles says that it has the values: {', '.join(rest)}")
    grey = {code & 255 for code in colours if code is not None and len(set(code.to_bytes(3))) == 1}
    if len(grey) < len(texts):
        return [in_order]
    by_grey = reading(
        [(code & 255, text) for code, text in zip(colours, texts, strict=True) if code is not None], by="colour"
    )
    return [by_grey, in_order]


def _title_of_names(columns: Mapping[str, Sequence[str]]) -> str:
    """Return the title of the column of names: of several, one in which each is another, as a group's is not.

    Raises:
        UnclearError: there is none of a known title, nor one of texts alone.
    """

    def order(title: str) -> tuple[bool, int]:
        rank = next(rank for rank, known in enumerate(_NAMES) if re.fullmatch(known, title))
        return len(set(columns[title])) < len(columns[title]), rank

    known = [
        title
        for title in columns
        if re.fullmatch("|".join(_NAMES), title) and not name_cells.are_numbers(columns[title])
    ]
    if known:
        return min(known, key=order)
    texts = [
        title
        for title, cells in columns.items()
        if title and not name_cells.are_numbers(cells) and not name_cells.are_colours(cells)
    ]
    if len(texts) != 1:
        raise UnclearError(f"none of its columns' titles says that it has the names: {', '.join(columns)}")
    return texts[0]


def _are_pictures(cells: Sequence[str]) -> bool:
    return any(PurePosixPath(cell).suffix.lower() in suffixes() for cell in cells)


def _colours(columns: Mapping[str, Sequence[str]]) -> list[int | None]:
    """Return the colour in each row, None where it is none; nothing if no column has them."""
    parts = [next((columns[title] for title in columns if re.fullmatch(known, title)), None) for known in _PRIMARIES]
    if None not in parts:
        return [name_cells.colour(" ".join(cells)) for cells in zip(*(part or () for part in parts), strict=True)]
    read = [
        [name_cells.colour(cell) for cell in cells] for title, cells in columns.items() if re.fullmatch(_COLOUR, title)
    ]
    return max(read, key=lambda codes: len(codes) - codes.count(None), default=[])
