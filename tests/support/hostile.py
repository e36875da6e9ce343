"""Text that acts on a terminal, a log or a table if it reaches it as it is."""

import unicodedata

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # classes of UAX #9
KINDS = {
    "clears the screen": "a\x1b[2Jb",
    "names the window": "a\x1b]0;owned\x07b",
    "one byte of C1": "a\x9b31mb",
    "a line of its own": "a\nsegnet: champion is version 9",
    "a line over the line": "a\rchampion",
    "deletes": "a\x08\x7fb",
    "NUL": "a\x00b",
    "reads backwards": "a\u202eb\u2066c",
    "Unicode's own lines": "a\u2028b\u2029c\x85d",
    "not UTF-8": "a\udcffb",
}
MARKUP = "[red]a[/] [/] [link=http://host]b :smile:"
"""What rich takes for markup, an error, a link and an emoji."""
ALL = "".join(KINDS.values()) + MARKUP
STORABLE = ALL.replace("\udcff", "").replace("\x00", "")
"""What every store takes: databases refuse both."""


def acting(text, lines=False):
    """Return the characters of a text that act, by Unicode's own tables; `lines`: a line feed may end a line."""
    return {
        character
        for character in text
        if (unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") or unicodedata.bidirectional(character) in BIDI)
        and not (lines and character == "\n")
    }
