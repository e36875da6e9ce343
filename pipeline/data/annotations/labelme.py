"""LabelMe's annotations: a JSON file of shapes for each image (github.com/wkentaro/labelme)."""

import math
from functools import partial
from pathlib import Path

from pipeline.data.annotations import documents, drawing
from pipeline.data.annotations.documents import Record
from pipeline.data.annotations.drawing import Covered, Labelled, Region

_WITHOUT_AREA = ("line", "linestrip", "point", "points")


class _Shape(Record):
    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = None


class _File(Record):
    shapes: list[_Shape]
    imageHeight: int  # noqa: N815  # LabelMe's names
    imageWidth: int  # noqa: N815


def draw(path: Path) -> Labelled:
    """Return the mask of the image that a file is about.

    Raises:
        ValueError: it cannot be read, is not LabelMe's, or has shapes other than polygons, rectangles and circles.
    """
    file = documents.read(path, _File, "LabelMe's annotations")
    regions = (Region(shape.label, partial(_cover, shape)) for shape in file.shapes)
    try:
        return drawing.draw(file.imageHeight, file.imageWidth, regions)
    except ValueError as err:
        raise ValueError(f"{path}: {err}; correct the file") from err


def _cover(shape: _Shape, height: int, width: int) -> Covered:
    try:
        if shape.shape_type in (None, "polygon"):
            return drawing.polygons([[value for point in shape.points for value in point]], height, width)
        if shape.shape_type == "rectangle" and len(shape.points) == 2:
            (x, y), (right, bottom) = shape.points
            return drawing.polygons([[x, y, right, y, right, bottom, x, bottom]], height, width)
        if shape.shape_type == "circle" and len(shape.points) == 2:
            centre, edge = shape.points
            radius = math.dist(centre, edge)
            return drawing.ellipse(centre, (radius, radius), 0, (height, width))
        if shape.shape_type in _WITHOUT_AREA:
            raise drawing.without_area(str(shape.shape_type))
        raise ValueError(
            f"expected a polygon, or a rectangle or circle of two points, got a {shape.shape_type} of "
            f"{len(shape.points)}"
        )
    except ValueError as err:
        raise ValueError(f"shape {shape.label}: {err}") from err
