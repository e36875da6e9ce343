"""Text that reads from right to left, such as Arabic, in text that does not: it must not reorder what is around it.

By the bidirectional algorithm (UAX #9), a number beside such a name is drawn on the name's other side, without its
percent sign. Isolating the name prevents it: by <bdi> in HTML, by the characters FSI and PDI where no markup can be.
"""

import re

import markupsafe

# Where letters have the direction R or AL by default (DerivedBidiClass.txt); of the words of a name, all are one run.
_LETTERS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_WORD = f"[{_LETTERS}][{_LETTERS}0-9_\u200c\u200d'-]*"
_RUN = re.compile(f"{_WORD}(?: {_WORD})*")


def isolated(text: str) -> str:
    r"""Return a text in which each run from right to left is between the characters FSI and PDI.

    Example:
        >>> isolated("road 0.5, \u05db\u05d1\u05d9\u05e9 0.3") == "road 0.5, \u2068\u05db\u05d1\u05d9\u05e9\u2069 0.3"
        True
    """
    return _RUN.sub("\u2068\\g<0>\u2069", text)


def bdi(text: str) -> markupsafe.Markup:
    """Return a text as HTML, in which each run from right to left is in a <bdi>."""
    return markupsafe.Markup(_RUN.sub(r"<bdi>\g<0></bdi>", str(markupsafe.escape(text))))  # noqa: S704  # escaped
