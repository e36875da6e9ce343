"""The table in docs/reliability.md of what becomes of each kind of image file: python -m tests.support.image_table.

A cell says that the reader returns exactly what was written, or refuses it, in every EXIF orientation that the format
can state; anything else is an error.
"""

import numpy as np

from pipeline.files import images
from pipeline.files.images import ImageError
from tests.support import ROOT
from tests.support.image_files import UPRIGHT
from tests.support.image_kinds import KINDS

PAGE = ROOT / "docs" / "reliability.md"
START, END = "<!-- written by tests/support/image_table.py -->\n", "<!-- end -->\n"
LOSSY = 4  # of 255: by how much a JPEG or WebP of quality 100 may differ
HEAD = """\
| format | colours | bits per channel | orientations | index mask | colour mask | image |
| --- | --- | ---: | --- | --- | --- | --- |
"""


def cell(read, kind, expected, word="exact"):
    """Return `word` if the reader returns what is expected in each orientation, "refused" if it refuses all.

    Raises:
        AssertionError: it misreads one, or reads what holds nothing for it.
    """
    outcomes = set()
    for orientation in UPRIGHT if kind.is_oriented else (1,):
        try:
            pixels = read(kind.write(orientation)).astype(int)
        except ImageError:
            outcomes.add("refused")
            continue
        assert expected is not None, f"{kind.format}, {kind.colours}: read by {read.__name__}"
        upright = UPRIGHT[orientation](np.asarray(expected))
        assert pixels.shape == upright.shape
        assert np.abs(pixels - upright).max() <= (LOSSY if word == "lossy" else 0), f"{kind}: misread"
        outcomes.add(word)
    (outcome,) = outcomes
    return outcome


def row(kind):
    """Return the row of a kind, in Markdown."""
    cells = (
        cell(images.read_mask, kind, kind.index),
        cell(images.read_colours, kind, kind.rgb),
        cell(images.read_image, kind, kind.image, kind.word),
    )
    orientations = "1 to 8" if kind.is_oriented else "none"
    return f"| {' | '.join((kind.format, kind.colours, str(kind.bits), orientations, *cells))} |\n"


def table():
    """Return the table, in Markdown."""
    return HEAD + "".join(map(row, KINDS))


if __name__ == "__main__":
    before, rest = PAGE.read_text("utf-8").split(START)
    PAGE.write_text(before + START + table() + END + rest.split(END)[1], "utf-8")
