"""What a cell of a table of class names says: a number, a colour."""

import re
from collections.abc import Sequence
from itertools import pairwise

_WHOLE, _HEX = r"[-+]?\d{1,9}([.,]0*)?", r"0x[0-9a-fA-F]{1,8}"
DECIMAL = rf"[-+]?\d+([.,]\d*)?([eE][-+]?\d+)?%?|{_HEX}"


def place_of_colour(rows: Sequence[Sequence[int]]) -> int | None:
    """Return where, of four numbers in each row, the colour begins; None: not each has four.

    The first is an id where it looks more like one than the last, which may be the opacity, 255.
    """
    if not rows or any(len(numbers) != 4 for numbers in rows):
        return None
    first, last = ([numbers[place] for numbers in rows] for place in (0, 3))
    return int(_like_ids(first) > _like_ids(last) and set(last) != {255})


def _like_ids(numbers: Sequence[int]) -> int:
    """Return 2 for numbers that follow one another from 0 or 1, in any order, 1 for such that rise, else 0."""
    if len(set(numbers)) < len(numbers):
        return 0
    return 2 if are_consecutive(numbers) else int(all(a < b for a, b in pairwise(numbers)))


def are_consecutive(values: Sequence[int | None]) -> bool:
    """Return whether values, but those below 0, are 0 or 1 and those after it, in any order."""
    held = {value for value in values if value is not None and value >= 0}
    return bool(held) and min(held) <= 1 and max(held) - min(held) == len(held) - 1


def colour(text: str) -> int | None:
    """Return a colour, of three numbers or in hexadecimal, as one number; None: it is none."""
    if re.fullmatch("#?[0-9a-fA-F]{6}", text):
        return int(text.removeprefix("#"), 16)
    text = re.sub(r"rgba?\((\d+),\s*(\d+),\s*(\d+)(,\s*[\d.]+)?\)", r"\1 \2 \3", text)
    text = re.sub(r"\.0+\b", "", text)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    is_colour = len(numbers) == 3 and max(numbers) < 256 and not re.search(r"[^\d\s,;()\[\]]", text)
    return int.from_bytes(bytes(numbers)) if is_colour else None


def are_colours(cells: Sequence[str]) -> bool:
    """Return whether each cell is a colour."""
    return all(colour(cell) is not None for cell in cells)


def values(cells: Sequence[str]) -> list[int | None]:
    """Return the value in each row, None where it is none or below 0; all None if one is above 255."""
    numbers = [number(cell) for cell in cells]
    if max((number for number in numbers if number is not None), default=0) > 255:
        return [None] * len(cells)
    return [number if number is not None and number >= 0 else None for number in numbers]


def are_numbers(cells: Sequence[str]) -> bool:
    """Return whether the cells are numbers, whole or not, but those that are empty."""
    return any(cells) and all(not cell or re.fullmatch(DECIMAL, cell) for cell in cells)


def number(text: str) -> int | None:
    """Return a whole number; None: it is none."""
    if re.fullmatch(_HEX, text):
        return int(text, 16)
    return int(re.split("[.,]", text)[0]) if re.fullmatch(_WHOLE, text) else None
