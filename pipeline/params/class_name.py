"""Names of classes: which of them look the same, and those that are still to be filled in."""

import re
import unicodedata

from pipeline.files.printable import visible


def spelling(name: str) -> str:
    """Return what a class's name has in common with those that nobody would tell apart from it.

    Example:
        >>> spelling("Traffic  sign ")
        'traffic sign'
    """
    return " ".join(unicodedata.normalize("NFC", visible(name)).split()).casefold()


def told(name: str) -> str:
    """Return a name in quotes, with what is not seen of it as Python writes that."""
    return repr(name) if visible(name) == name else ascii(name)


_PLACEHOLDER = re.compile(r"class_\d{1,3}|colour_[0-9a-f]{6}")


def placeholder(label: int, mask_kind: str) -> str:
    """Return a name to fill in for the class of a value, or in a colour mask of 65536 R + 256 G + B.

    Example:
        >>> placeholder(3, "index"), placeholder(0xFF0080, "colour")
        ('class_3', 'colour_ff0080')
    """
    return f"colour_{label:06x}" if mask_kind == "colour" else f"class_{label}"


def is_placeholder(name: str) -> bool:
    """Return whether a class's name is one that `placeholder` returns."""
    return _PLACEHOLDER.fullmatch(name) is not None
