"""In which order the images of a sequence were taken, by their names."""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"(\d+)")
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


def numbers(ids: Sequence[str]) -> list[int] | None:
    """Return the frame of each image of a sequence: the last number of its id. None: one has none, or two the same."""
    found = [int(match[1]) for each in ids if (match := _LAST_NUMBER.search(each))]
    return found if len(set(found)) == len(ids) else None


def in_time(ids: Sequence[str]) -> list[int]:
    """Return the positions, 0-based, of a sequence's images in chronological order.

    By their frames; without these by name, in which numbers count as such: a2 comes before a10.
    """
    if (times := numbers(ids)) is not None:
        return sorted(range(len(ids)), key=times.__getitem__)
    return sorted(range(len(ids)), key=lambda i: _natural(ids[i]))


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    """Return what sorts names by the texts and numbers in them, those with the same by leading zeros."""
    parts = [*_NUMBER.split(name), "0"]
    return [(text, int(number)) for text, number in zip(parts[::2], parts[1::2], strict=True)], name
