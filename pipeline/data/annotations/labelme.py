"""LabelMe's annotations: a JSON file of shapes for each image (github.com/wkentaro/labelme)."""

import base64
import binascii
import json
import math
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data.annotations import documents, drawing
from pipeline.data.annotations.documents import Record
from pipeline.data.annotations.drawing import Covered, Drawing, Labelled, Region, Size
from pipeline.files import decoding

_WITHOUT_AREA = ("line", "linestrip", "point", "points")


class _Shape(Record):
    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = None
    mask: str | None = None


class _File(Record):
    shapes: list[_Shape]
    imageHeight: int  # noqa: N815  # LabelMe's names
    imageWidth: int  # noqa: N815


def drawing_of(path: Path) -> Drawing:
    """Return what draws the mask of the image that a file is about.

    It raises ValueError if the file is not LabelMe's, or has shapes other than polygons, rectangles, turned or not,
    circles and masks.
    """
    return Drawing(partial(_draw, path), path)


def image_of(path: Path) -> str:
    """Return the path of the image that a file is about, as the file gives it, from its folder; "" if it gives none."""
    try:
        tree = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return ""
    named = tree.get("imagePath") if isinstance(tree, dict) else None
    return named if isinstance(named, str) else ""


def _draw(path: Path, content: bytes, _: Size) -> Labelled:
    file = documents.parsed(content, path, _File, "LabelMe's annotations")
    regions = (Region(shape.label, partial(_cover, shape)) for shape in file.shapes)
    try:
        return drawing.draw(file.imageHeight, file.imageWidth, regions)
    except ValueError as err:
        raise ValueError(f"{path}: {err}; correct the file") from err


def _cover(shape: _Shape, height: int, width: int) -> Covered:
    try:
        if shape.shape_type == "mask":
            return _of_mask(shape, height, width)
        if shape.shape_type in (None, "polygon") or (
            shape.shape_type == "oriented_rectangle" and len(shape.points) == 4
        ):
            return drawing.polygons([[value for point in shape.points for value in point]], height, width)
        if shape.shape_type == "rectangle" and len(shape.points) == 2:
            return drawing.rectangle((*shape.points[0], *shape.points[1]), height, width)
        if shape.shape_type == "circle" and len(shape.points) == 2:  # its centre, and a point on it
            radius = math.dist(*shape.points)
            return drawing.ellipse(shape.points[0], (radius, radius), height, width)
        if shape.shape_type in _WITHOUT_AREA:
            raise drawing.without_area(shape.shape_type)
        raise ValueError(
            "expected a polygon, a mask, or a rectangle or circle of two points, got a "
            f"{shape.shape_type} of {len(shape.points)}"
        )
    except ValueError as err:
        raise ValueError(f"shape {shape.label}: {err}") from err


def _of_mask(shape: _Shape, height: int, width: int) -> Covered:
    """Return which pixels an image in base64 shows as other than 0, whose first and last pixel the points are.

    Source: labelme 6.3.1, utils/shape.py, shapes_to_label.
    """
    ends = [(math.floor(x), math.floor(y)) for x, y in shape.points if 0 <= x < width and 0 <= y < height]
    (left, top), (right, bottom) = ends if len(ends) == len(shape.points) == 2 else ((0, 0), (-1, -1))
    try:
        content = base64.b64decode(shape.mask or "", validate=True)
        _, *size = decoding.read_header(content)  # before it is decoded: it may be of any size
        if size != [bottom - top + 1, right - left + 1]:
            raise ValueError(
                f"expected the mask's first and last pixel within the image as its points, got {shape.points[:3]} for "
                f"a mask of {size[1]} x {size[0]}"
            )
        pixels = np.asarray(decoding.decode(content).image)
    except (binascii.Error, decoding.ImageError) as err:
        raise ValueError(f"expected the mask as an image in base64: {err}") from err
    if pixels.ndim != 2:
        raise ValueError(f"expected the mask as a grey image, got {pixels.shape[2]} channels")
    return Covered(top, left, pixels != 0)
