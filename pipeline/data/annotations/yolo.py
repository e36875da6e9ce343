"""Ultralytics YOLO's polygons: a text file for each image, a line for each object.

Source: docs.ultralytics.com/datasets/segment.
"""

from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path

from pipeline.data.annotations import drawing
from pipeline.data.annotations.drawing import Covered, Drawing, Labelled, Region, Size

_BEYOND = 0.01  # of the image's size: corners may lie as far outside, by rounding
_BOX = 4  # numbers


def drawing_of(path: Path) -> Drawing:
    """Return what draws the mask of the image that a file is about, whose labels are the classes' numbers, as text.

    Coordinates are fractions of the width and height of the image as it is seen. It raises ValueError if the file is
    not YOLO's, or has boxes: which of their pixels belong to an object they do not say.
    """
    return Drawing(partial(_draw, path), path)


def background() -> Drawing:
    """Return what draws the mask of an image that has no file: no object is in it, as if the file were empty."""
    return Drawing(partial(_draw, Path()))


def is_polygons(content: bytes) -> bool:
    """Return whether a file is YOLO's, and has a polygon."""
    try:
        return bool(_regions(content))
    except ValueError:
        return False


def num_boxes(content: bytes) -> int:
    """Return how many of a file's objects are boxes; 0 if the file is not YOLO's, of boxes and polygons."""
    try:
        rows = [[float(word) for word in line.split()] for line in content.decode("utf-8-sig").splitlines()]
    except ValueError:  # no numbers, or no text
        return 0
    rows = [row for row in rows if row]
    are_objects = (len(row) >= 1 + _BOX and row[0].is_integer() and min(row) >= 0 and max(row[1:]) <= 1 for row in rows)
    return sum(len(row) == 1 + _BOX for row in rows) if all(are_objects) else 0


def have_four_corners(content: bytes) -> bool:
    """Return whether all polygons of a file of YOLO's have four corners, as oriented boxes are written too."""
    try:
        return all(len(line.split()) in (0, 9) for line in content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError:
        return False


def _draw(path: Path, content: bytes, size: Size) -> Labelled:
    try:
        regions = _regions(content)
    except ValueError as err:
        raise ValueError(f"{path}: {err}; correct the file") from err
    height, width, orientation = size()
    return replace(drawing.draw(height, width, regions), orientation=orientation)


def _regions(content: bytes) -> list[Region]:
    """Return the objects of a file.

    Raises:
        ValueError: it is not YOLO's, or an object is no polygon.
    """
    regions = []
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as err:
        raise ValueError("expected UTF-8 text, got other bytes") from err
    for number, line in enumerate(lines, 1):
        if not (words := line.split()):
            continue
        try:
            regions.append(_region(words))
        except ValueError as err:
            raise ValueError(f"line {number}: {err}") from err
    return regions


def _region(words: list[str]) -> Region:
    wanted = "expected the number of a class, and x and y of three corners or more as fractions of the image's size"
    try:
        label, *corners = map(float, words)
    except ValueError as err:
        raise ValueError(f"{wanted}, got {' '.join(words)[:60]!r}") from err
    if not (label.is_integer() and label >= 0):
        raise ValueError(f"{wanted}, got class {words[0]}")
    if len(corners) == _BOX:
        raise ValueError(f"{wanted}, got a box, which does not say which of its pixels belong to the object")
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"{wanted}, got {len(corners)} numbers")
    if wrong := [value for value in corners if not -_BEYOND <= value <= 1 + _BEYOND]:
        raise ValueError(f"{wanted}, got {wrong[0]:g}")
    return Region(str(int(label)), partial(_cover, corners))


def _cover(corners: list[float], height: int, width: int) -> Covered:
    return drawing.polygons(
        [[value * side for value, side in zip(corners, cycle((width, height)), strict=False)]], height, width
    )
