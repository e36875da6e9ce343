"""Drawing annotated regions into one mask: pycocotools decides which pixels a polygon covers."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Covered = npt.NDArray[np.bool_]

_LARGEST = 20_000  # pixels of a side; polygons may lie outside by as much


@dataclass(frozen=True)
class Labelled:
    """A mask whose pixels are labels by name."""

    codes: npt.NDArray[np.uint16]
    """(H, W): index into `names`."""
    names: tuple[str | None, ...]
    """The label of each code. The first is None: pixels without any annotation."""
    orientation: int = 1
    """EXIF orientation that the annotations were turned by, 1 to 8."""


Drawing = Callable[[], Labelled]
"""Draws the mask of one image.

Raises:
    ValueError: an annotation cannot be drawn.
"""


@dataclass(frozen=True)
class Region:
    """The pixels of one annotation."""

    label: str
    cover: Callable[[int, int], Covered]
    """Returns which pixels it covers, (H, W), given height and width."""


def draw(height: int, width: int, regions: Iterable[Region]) -> Labelled:
    """Return the mask (height, width) in which later regions cover earlier ones.

    Raises:
        ValueError: the size is not 1 to 20,000 pixels, there are more than 65,535 labels, or a region cannot be drawn.
    """
    check_size(height, width)
    codes, code_of = np.zeros((height, width), np.uint16), dict[str, int]()
    for region in regions:
        code = code_of.setdefault(region.label, len(code_of) + 1)
        if code > np.iinfo(np.uint16).max:
            raise ValueError(f"expected at most 65,535 labels, got more, such as {region.label}")
        codes[region.cover(height, width)] = code
    return Labelled(codes, (None, *code_of))


def check_size(height: int, width: int) -> None:
    """Raise ValueError unless an image may have this size."""
    if not (0 < height <= _LARGEST and 0 < width <= _LARGEST):
        raise ValueError(f"expected an image of 1 to {_LARGEST:,} pixels a side, got {width} x {height}")


def polygons(parts: Sequence[Sequence[float]], height: int, width: int) -> Covered:
    """Return which pixels at least one of several polygons covers, (height, width).

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
    runs = coco_mask.frPyObjects([list(map(float, part)) for part in parts], height, width)
    return np.asarray(coco_mask.decode(coco_mask.merge(runs)), np.bool_)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], degrees: float, size: tuple[int, int]) -> Covered:
    """Return which pixels have their centre in an ellipse, (height, width).

    Args:
        centre: x and y, in pixels from the top left corner.
        radii: along the ellipse's own two axes, in pixels.
        degrees: by which it is turned, clockwise.
        size: height and width of the image.

    Raises:
        ValueError: a radius is not above 0, or a number is none or far outside.
    """
    wrong = [value for value in (*centre, *radii) if not (math.isfinite(value) and abs(value) <= 2 * _LARGEST)]
    if wrong or min(radii) <= 0 or not math.isfinite(degrees):
        raise ValueError(
            f"expected an ellipse within {2 * _LARGEST:,} pixels, with radii above 0, got the centre {centre[0]:g}, "
            f"{centre[1]:g}, the radii {radii[0]:g}, {radii[1]:g} and a turn of {degrees:g} degrees"
        )
    y, x = np.ogrid[0.5 : size[0], 0.5 : size[1]]
    x, y = x - centre[0], y - centre[1]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = (x * cosine + y * sine) / radii[0], (y * cosine - x * sine) / radii[1]
    return np.asarray(along**2 + across**2 <= 1, np.bool_)


def without_area(kind: str) -> ValueError:
    """Return the error for a shape that covers no pixels, such as a line."""
    return ValueError(
        f"expected a shape with an area, got a {kind}, which gives no pixel a class; draw a polygon in its place, or "
        "remove it"
    )


def runs(counts: Sequence[int], height: int, width: int) -> Covered:
    """Return which pixels runs cover, (height, width): how many are not, then how many are, and so on, row by row.

    Raises:
        ValueError: they do not add up to height * width.
    """
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"expected runs of {height * width} pixels together, got {sum(counts)}")
    covered = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return covered.reshape(height, width)


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
