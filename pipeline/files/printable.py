"""Text of others where people read it: a name, tag, reason or message cannot act on a terminal, a log or a page."""

import re

# The control characters of ISO 6429 (C0, DEL, C1), among them ESC, which moves cursors, renames windows and hides
# text; Unicode's line and paragraph separators; the embeddings, overrides and isolates of UAX #9 (bidi), with which a
# text reads in another order than it is stored (CVE-2021-42574); and lone surrogates, which cannot be encoded: Python
# reads the bytes of a file name that are not UTF-8 as such.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt: a zero-width space, a soft hyphen, a byte order
# mark. Joiners and variation selectors are among them, which alter how their neighbours look in Persian or emoji.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    r"""Return a text without the characters that nobody sees.

    Example:
        >>> visible("road\u200b sign")
        'road sign'
    """
    return _INVISIBLE.sub("", text)


def in_one_line(text: str) -> str:
    r"""Return a text whose control characters, line breaks too, are blanks.

    Example:
        >>> in_one_line("traffic\nlight")
        'traffic light'
    """
    return _CONTROL.sub(" ", text)


def json_escaped(text: str) -> str:
    r"""Return JSON text with its control characters as JSON writes them; line feeds, which part its lines, stay.

    `json.dumps` does so itself with `ensure_ascii`, without which a name in any other script would be unreadable.

    Example:
        >>> print(json_escaped('"Straße\x7f"'))
        "Straße\u007f"
    """
    return _CONTROL.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


class ManyLinesError(ValueError):
    """An error that is told in several lines: each argument is one, and may quote others."""

    def __str__(self) -> str:
        """Return the lines."""
        return "\n".join(map(str, self.args))


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text with its control characters as Python writes them, except those in `keep`.

    Example:
        >>> print(printable("champion\x1b[2J\nversion 7"))
        champion\x1b[2J\nversion 7
    """

    def written(match: re.Match[str]) -> str:
        return match[0] if match[0] in keep else match[0].encode("unicode_escape").decode("ascii")

    return _CONTROL.sub(written, text)
