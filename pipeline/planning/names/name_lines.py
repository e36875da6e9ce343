"""Class names in the lines of a text file: alone in their order, with their values, or with their colours."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.files.decoding import suffixes
from pipeline.planning.contents import Label
from pipeline.planning.names import name_cells, name_tables
from pipeline.planning.names.name_tables import Reading, UnclearError

_HEX = r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})\b"
_COMMENT = rf"(?!{_HEX})#.*|//.*|%.*|[-=_*~+|.\s{{}}]*"
_BULLET = r"[-*] +"
_VALUE, _TO = r"[(\[]?(?P<value>-?\d{1,9}|0x[0-9a-fA-F]{1,2})[)\]]?", r"\s*([-=]>|[:;,=\t])\s*"
_BEFORE = rf"((class|label|id|index|value) *)?{_VALUE}({_TO}(?=\S)|(\s*[.-]\s*|\s*(?<=[)\]])\s*|\s+)(?=\D))(?P<name>.+)"
_SURELY_BEFORE = rf"{_VALUE}{_TO}(?=\S)(?P<name>.+)"
_BEHIND = rf"(?P<name>.*?\S)({_TO}|\s{{2,}}|\s*(?=[(\[])){_VALUE}"
_BEHIND_A_SPACE = rf"(?P<name>.*\S) {_VALUE}"
_SECTION = r"\[.*\]|.*:"
_NUMBER, _BETWEEN = r"\d{1,3}", r"[\s,;]+"
_THREE = rf"{_NUMBER}{_BETWEEN}{_NUMBER}{_BETWEEN}{_NUMBER}"
_CVAT = rf"(?P<name>[^:]+):(?P<numbers>{_THREE}):[^:]*:[^:]*"
_QUOTES = " \t,;\"'"
_AROUND = " \t,;:\"'()[]"  # what may separate a name from its colour
_FIRST = rf"(?P<numbers>({_NUMBER}{_BETWEEN})?{_THREE})\b(?P<name>.*)"
_LAST = rf"(?P<name>.*?)\b(?P<numbers>({_NUMBER}{_BETWEEN})?{_THREE})"


def of_lines(lines: Sequence[str]) -> list[Reading]:
    """Return the readings of lines with a name each, with or without its value before or behind it, or in columns.

    Comments, titles, and a count of the names that stands before them are left out.

    Raises:
        UnclearError: only some have a value, or one is no value of a mask.
    """
    names = [name.strip(_QUOTES) for name in _without_comments(lines)]
    if len(names) == 1 and "," in names[0]:
        names = [name.strip(_QUOTES) for name in names[0].split(",") if name.strip(_QUOTES)]
    if any(PurePosixPath(each).suffix.lower() in suffixes() or re.search(_THREE, _in_decimals(each)) for each in names):
        return []  # a list of pictures, or of colours
    for delimiter in "\t;,|":
        rows = [name.strip("|").split(delimiter) for name in names]
        if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1 and name_tables.are_titles(rows[0], rows[1:]):
            return name_tables.of_rows(rows, "index")
    return (_numbered(names) or _in_order(names)) if names else []


def of_colours(lines: Sequence[str]) -> list[Reading]:
    """Return the reading of lines of a colour and a name, or a name and a colour, as CamVid's, its copies and CVAT's.

    Where all have four numbers, one is an id before the colour or behind it, or the opacity.
    """
    found = [
        match
        for line in map(_in_decimals, _without_comments(lines))
        for text in [line.strip(_AROUND)]
        if (match := re.fullmatch(_CVAT, line) or re.fullmatch(_FIRST, text) or re.fullmatch(_LAST, text))
    ]
    of_lines = [[int(number) for number in re.findall(r"\d+", match["numbers"])] for match in found]
    are_named = len({match["name"] for match in found}) == len(found)
    place = name_cells.place_of_colour(of_lines) if are_named else None
    pairs = [_coloured(match, numbers, place) for match, numbers in zip(found, of_lines, strict=True)]
    pairs = [(colour, name) for colour, name in pairs if name and colour is not None]
    numbered = _matches(_BEFORE, [name for _, name in pairs])
    if len(numbered) == len(pairs) == len({value for value, _ in numbered}):
        pairs = [(colour, name) for (colour, _), (_, name) in zip(pairs, numbered, strict=True)]
    return [name_tables.reading(pairs)] if pairs else []


def _coloured(match: re.Match[str], numbers: Sequence[int], place: int | None) -> tuple[int | None, str]:
    """Return the colour that begins at `place` of three or four numbers, None if it is none, and its name.

    Without a place, it is farthest from the name, which has the fourth, such as zone 1.
    """
    is_behind = match.start("name") < match.start("numbers")
    start = (len(numbers) - 3 if is_behind else 0) if place is None else place
    colour, name = numbers[start : start + 3], match["name"].strip(_AROUND)
    if place is None and name:
        others = " ".join(map(str, [*numbers[:start], *numbers[start + 3 :]]))
        name = (f"{name} {others}" if is_behind else f"{others} {name}").strip()
    return int.from_bytes(bytes(colour)) if max(colour) < 256 else None, name


def _in_decimals(line: str) -> str:
    """Return a line with colours that are hexadecimal, or in rgb(...), as three numbers."""
    line = re.sub(r"\brgb(?=\()", "", line)
    return re.sub(_HEX, lambda match: " ".join(str(int(part, 16)) for part in match.groups()), line)


def _without_comments(lines: Sequence[str]) -> list[str]:
    return [re.sub(f"^{_BULLET}", "", line) for line in lines if not re.fullmatch(_COMMENT, line)]


def _numbered(names: Sequence[str]) -> list[Reading]:
    """Return the readings of one name or more with their values; none if they have none."""
    for pattern in (_BEFORE, _BEHIND, _BEHIND_A_SPACE):
        pairs = _matches(pattern, names)
        values = [value for value, _ in pairs]
        if len({name for _, name in pairs}) < len(pairs) and len(_matches(_SURELY_BEFORE, names)) < len(pairs):
            continue  # zone 1, zone 2; 1-storey, 2-storey
        is_titled = len(pairs) == len(names) - 1 and not _matches(pattern, names[:1])
        counts = len(set(values)) > 1 and min(values) <= 1
        has_title = is_titled and counts and (min(values) <= 0 or _is_heading(names[0]))
        if len(pairs) == len(names) or has_title:
            if max(values) > 255:
                raise UnclearError(f"expected values up to 255, got {max(values)}")
            texts = [name.strip(_QUOTES) for _, name in pairs]
            by_value = name_tables.reading(zip((each if each >= 0 else None for each in values), texts, strict=True))
            if pattern == _BEFORE or (pattern == _BEHIND and name_cells.are_consecutive(values)):
                return [by_value]
            in_order: dict[Label, str] = dict(enumerate(texts if pattern == _BEHIND else names))
            return [replace(by_value, by="number"), Reading(in_order, is_list=True, by="order")]
        if pattern == _BEFORE and counts and len(pairs) > len(names) / 2:
            others = [name for name in names if not _matches(pattern, [name])]
            raise UnclearError(f"expected a value before each name, got {others[0]!r}")
    return []


def _matches(pattern: str, names: Sequence[str]) -> list[tuple[int, str]]:
    matches = [re.fullmatch(pattern, name, re.IGNORECASE) for name in names]
    return [
        (int(match["value"], 0 if "x" in match["value"].lower() else 10), match["name"]) for match in matches if match
    ]


def _is_heading(line: str) -> bool:
    return re.fullmatch(_SECTION, line) is not None or name_tables.is_title(line)


def _in_order(names: Sequence[str]) -> list[Reading]:
    if len(names) > 1 and names[0] == str(len(names) - 1):
        names = names[1:]
    sections = [name for name in names if re.fullmatch(_SECTION, name)]
    if len(names) > 1 and _is_heading(names[0]) and sections in ([], [names[0]]):
        names, sections = names[1:], []
    if numbers := [name for name in names if re.fullmatch(r"-?[\d.]+\W*", name)]:
        raise UnclearError(f"expected names, got {numbers[0]!r}")
    if 0 < len(sections) < len(names):
        raise UnclearError(f"expected names, got the heading {sections[0]!r}")
    return [Reading(dict(enumerate(names)), is_list=True)] if 0 < len(names) <= 256 else []
