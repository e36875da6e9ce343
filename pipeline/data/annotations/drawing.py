"""Drawing annotated regions into one mask: pycocotools decides which pixels a polygon covers."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Size = Callable[[], tuple[int, int, int]]
"""Returns height and width of an image as it is seen, and the EXIF orientation that turns it so; or raises ImageError
if it cannot be read."""

_LARGEST = 20_000  # pixels of a side; polygons may lie outside by as much


@dataclass(frozen=True)
class Covered:
    """Which pixels an annotation covers: those of a box within the image; a mask of the whole image would cost more."""

    top: int
    left: int
    pixels: npt.NDArray[np.bool_]
    """(h, w) of the box, which holds all covered pixels."""

    def transposed(self) -> "Covered":
        """Return the same with rows and columns exchanged."""
        return Covered(self.left, self.top, self.pixels.T)

    def moved(self, down: int, right: int) -> "Covered":
        """Return the same so many pixels further down and to the right."""
        return Covered(self.top + down, self.left + right, self.pixels)


@dataclass(frozen=True)
class Labelled:
    """A mask whose pixels are labels by name."""

    codes: npt.NDArray[np.uint16]
    """(H, W): index into `names`."""
    names: tuple[str | None, ...]
    """The label of each code. The first is None: pixels without any annotation."""
    orientation: int = 1
    """EXIF orientation that the annotations were turned by, 1 to 8."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Draws the mask of one image; on any machine, once the file that it needs was read."""

    draw: Callable[[bytes, Size], Labelled]
    """Given the file's content, or nothing if it needs none, and what tells the image's size, which annotations in
    fractions need. Raises ValueError where an annotation cannot be drawn."""
    file: Path | None = None
    """What holds the annotations, unless `draw` has them."""

    def content(self) -> bytes:
        """Return what `draw` takes.

        Raises:
            ValueError: the file cannot be read.
        """
        if self.file is None:
            return b""
        try:
            return self.file.read_bytes()
        except OSError as err:
            raise ValueError(
                f"{self.file}: expected annotations that can be read, got {err}; restore it, or let this user read it"
            ) from err


@dataclass(frozen=True)
class Region:
    """The pixels of one annotation."""

    label: str
    cover: Callable[[int, int], Covered]
    """Returns which pixels it covers, given the image's height and width."""


def draw(height: int, width: int, regions: Iterable[Region]) -> Labelled:
    """Return the mask (height, width) in which later regions cover earlier ones.

    Raises:
        ValueError: the size is not 1 to 20,000 pixels, there are more than 65,535 labels, a label is empty, or a region
            cannot be drawn.
    """
    check_size(height, width)
    codes, code_of = np.zeros((height, width), np.uint16), dict[str, int]()
    for region in regions:
        if not region.label.strip():
            raise ValueError(f"expected a label for each shape, got {region.label!r}")
        code = code_of.setdefault(region.label, len(code_of) + 1)
        if code > np.iinfo(np.uint16).max:
            raise ValueError(f"expected at most 65,535 labels, got more, such as {region.label}")
        covered = region.cover(height, width)
        rows, columns = covered.pixels.shape
        box = codes[covered.top : covered.top + rows, covered.left : covered.left + columns]
        box[covered.pixels] = code
    return Labelled(codes, (None, *code_of))


def check_size(height: int, width: int) -> None:
    """Raise ValueError unless an image may have this size."""
    if not (0 < height <= _LARGEST and 0 < width <= _LARGEST):
        raise ValueError(f"expected an image of 1 to {_LARGEST:,} pixels a side, got {width} x {height}")


def polygons(parts: Sequence[Sequence[float]], height: int, width: int) -> Covered:
    """Return which pixels at least one of several polygons covers.

    Args:
        parts: x, y, x, y, ... of each polygon, in pixels from the top left corner.
        height: of the image.
        width: of the image.

    Raises:
        ValueError: there is no polygon, one has fewer than three corners, or a coordinate is no number or far outside.
    """
    for part in parts:
        if len(part) < 6 or len(part) % 2:
            raise ValueError(f"expected x and y of three corners or more, got {len(part)} numbers")
        wrong = [value for value in part if not (math.isfinite(value) and abs(value) <= 2 * _LARGEST)]
        if wrong:
            raise ValueError(f"expected corners within {2 * _LARGEST:,} pixels, got {wrong[0]:g}")
    if not parts:
        raise ValueError("expected a polygon, got none")
    merged = coco_mask.merge(coco_mask.frPyObjects([list(map(float, part)) for part in parts], height, width))
    return runs(unpacked(merged["counts"].decode()), width, height).transposed()  # they go down the columns


def rectangle(ends: tuple[float, float, float, float], height: int, width: int, *, degrees: float = 0.0) -> Covered:
    """Return which pixels a rectangle covers.

    Args:
        ends: x and y of one corner, and of the opposite one, in pixels from the top left corner of the image.
        height: of the image.
        width: of the image.
        degrees: by which it is turned clockwise about its centre.

    Raises:
        ValueError: a coordinate is no number or far outside.
    """
    left, top, right, bottom = ends
    x, y = (left + right) / 2, (top + bottom) / 2
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(left - x, top - y), (right - x, top - y), (right - x, bottom - y), (left - x, bottom - y)]
    turned = ((x + a * cosine - b * sine, y + a * sine + b * cosine) for a, b in corners)
    return polygons([[value for corner in turned for value in corner]], height, width)


def ellipse(
    centre: tuple[float, float], radii: tuple[float, float], height: int, width: int, *, degrees: float = 0.0
) -> Covered:
    """Return which pixels have their centre within an ellipse.

    Args:
        centre: x and y, in pixels from the top left corner of the image.
        radii: along x and along y, before it is turned.
        height: of the image.
        width: of the image.
        degrees: by which it is turned clockwise about its centre.

    Raises:
        ValueError: a radius is not positive, or a number is none.
    """
    if not (all(map(math.isfinite, (*centre, *radii, degrees))) and min(radii) > 0):
        raise ValueError(f"expected numbers and radii above 0, got {radii[0]:g} and {radii[1]:g} at {centre}")
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rows = _reached(centre[1], math.hypot(radii[0] * sine, radii[1] * cosine), height)
    columns = _reached(centre[0], math.hypot(radii[0] * cosine, radii[1] * sine), width)
    y, x = np.ogrid[rows, columns]
    right, down = x + 0.5 - centre[0], y + 0.5 - centre[1]
    along, across = (right * cosine + down * sine) / radii[0], (down * cosine - right * sine) / radii[1]
    return Covered(rows.start, columns.start, np.asarray(along**2 + across**2 <= 1, np.bool_))


def _reached(centre: float, reach: float, side: int) -> slice:
    """Return the pixels of a row or column of so many that are at most so far from a point; some may be further."""
    first, last = (min(max(end, 0.0), float(side)) for end in (centre - reach - 1, centre + reach + 1))
    return slice(math.floor(first), math.ceil(last))


def without_area(shape: str) -> ValueError:
    """Return the error about a shape that covers no pixels, such as a line."""
    return ValueError(f"expected a shape with an area, got a {shape}; draw around what it shows, or remove it")


def runs(counts: Sequence[int], height: int, width: int) -> Covered:
    """Return which pixels runs cover: how many are not, then how many are, and so on, row by row.

    Raises:
        ValueError: they do not add up to height * width.
    """
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"expected runs of {height * width} pixels together, got {sum(counts)}")
    lengths = np.array(counts, np.int64)
    ends = np.cumsum(lengths)
    is_covered = (np.arange(len(lengths)) % 2 == 1) & (lengths > 0)
    if not is_covered.any():
        return Covered(0, 0, np.zeros((0, 0), np.bool_))
    firsts, lasts = (ends - lengths)[is_covered], ends[is_covered] - 1  # pixels of each run
    top, bottom = firsts[0] // width, lasts[-1] // width + 1
    left, right = (firsts % width).min(), (lasts % width).max() + 1
    if (firsts // width < lasts // width).any():  # a run that goes on in the next row reaches both sides
        left, right = 0, width
    size = int(bottom - top), int(right - left)
    starts, stops = ((each // width - top) * size[1] + each % width - left for each in (firsts, lasts))
    changes = np.stack([starts, stops + 1], axis=1).ravel()
    gaps = np.diff(changes, prepend=0, append=size[0] * size[1])
    return Covered(int(top), int(left), np.repeat(np.arange(len(gaps)) % 2 == 1, gaps).reshape(size))


def unpacked(text: str) -> list[int]:
    """Return the runs that COCO's compressed text stands for.

    Each number is five bits a character from "0" on, lowest first; a sixth bit says that more follow, and the highest
    is the sign. From the fourth on, a number is the difference from the one two before it. pycocotools 2.0.11 reads it
    too, but a text that is none makes it write beyond its memory: 30,000 random ones ended the process.

    Source: pycocotools, common/maskApi.c, rleFrString.

    Example:
        >>> unpacked("52207")
        [5, 2, 2, 2, 9]

    Raises:
        ValueError: a character or a number's end is missing or wrong.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            raise ValueError(f"expected compressed runs, got {text[:40]!r}")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (1 << shift) if code & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError(f"expected compressed runs, got {text[:40]!r}, which ends within a number")
    return counts
