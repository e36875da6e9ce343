"""What a link of `verify` raises where two things differ, or one of them is not available."""


class BrokenError(ValueError):
    """Two things that must agree do not; the message says which, what was expected and what was found."""


class AbsentError(ValueError):
    """Something that a link compares is not available; the message says what."""


def agree(what: str, expected: object, actual: object) -> None:
    """Raise BrokenError unless `actual` equals `expected`."""
    if expected != actual:
        raise BrokenError(f"expected {what} to be {expected}, got {actual}")
