"""Types of the benchmarks' options: argparse refuses what they refuse."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection


def natural(text: str) -> int:
    """Return a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def positive(text: str) -> float:
    """Return a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """Return a type whose values are these names; argparse's choices would be compared with the default, too."""

    def name(text: str) -> str:
        if text not in names:
            raise ArgumentTypeError(f"expected one of {', '.join(names)}, got {text!r}")
        return text

    return name
