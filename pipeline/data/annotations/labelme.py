"""LabelMe's annotations: a JSON file of shapes for each image (github.com/wkentaro/labelme)."""

import math
from functools import partial
from pathlib import Path

from pipeline.data.annotations import documents, drawing
from pipeline.data.annotations.documents import Record
from pipeline.data.annotations.drawing import Covered, Drawing, Labelled, Region, Size

_WITHOUT_AREA = ("line", "linestrip", "point", "points")


class _Shape(Record):
    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = None


class _File(Record):
    shapes: list[_Shape]
    imageHeight: int  # noqa: N815  # LabelMe's names
    imageWidth: int  # noqa: N815


def drawing_of(path: Path) -> Drawing:
    """Return what draws the mask of the image that a file is about.

    It raises ValueError if the file is not LabelMe's, or has shapes other than polygons, rectangles and circles.
    """
    return Drawing(partial(_draw, path), path)


def _draw(path: Path, content: bytes, _: Size) -> Labelled:
    file = documents.parsed(content, path, _File, "LabelMe's annotations")
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
            return drawing.rectangle((*shape.points[0], *shape.points[1]), height, width)
        if shape.shape_type == "circle" and len(shape.points) == 2:  # its centre, and a point on it
            radius = math.dist(*shape.points)
            return drawing.ellipse(shape.points[0], (radius, radius), height, width)
        if shape.shape_type in _WITHOUT_AREA:
            raise drawing.without_area(shape.shape_type)
        raise ValueError(
            "expected a polygon, or a rectangle or circle of two points, got a "
            f"{shape.shape_type} of {len(shape.points)}"
        )
    except ValueError as err:
        raise ValueError(f"shape {shape.label}: {err}") from err
