"""A few from all over a list."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` items, evenly spread and in order, the first among them.

    Example:
        >>> evenly("abcdefg", 3), evenly("ab", 3)
        (['a', 'c', 'e'], ['a', 'b'])
    """
    step = max(1, len(items) / count)
    return [items[int(i * step)] for i in range(min(count, len(items)))]
