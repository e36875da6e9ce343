"""CVAT's annotations: the XML of its export "CVAT for images 1.1" (docs.cvat.ai, "XML annotation format")."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml.ElementTree import parse

from pipeline.data.annotations import documents, drawing
from pipeline.data.annotations.drawing import Covered, Drawing, Labelled, Region, Size

Number = TypeVar("Number", int, float)

_SHAPES = ("polygon", "box", "ellipse", "mask")
_WITHOUT_AREA = ("polyline", "points")
_OF_THE_IMAGE = ("tag",)  # says something about the image as a whole


def read(path: Path) -> dict[str, Drawing]:
    """Return what draws the mask of each image that a file names.

    Raises:
        ValueError: it cannot be read, is not CVAT's for images, declares entities, or has an image twice.
    """
    try:
        top = parse(path).getroot()
        images = [(image.attrib["name"], image) for image in top.iter("image")]
        if top.tag != "annotations" or not images:
            raise ValueError("tracks of CVAT for video" if top.find("track") is not None else f"no images in {top.tag}")
        drawings = [(name, Drawing(partial(_draw, path, name, _size(image), _shapes(image)))) for name, image in images]
    except (OSError, ParseError, KeyError, ValueError, defusedxml.DefusedXmlException) as err:
        raise ValueError(
            f"{path}: expected CVAT's annotations, exported as CVAT for images, got something else: {err}; correct "
            "dataset.masks or the file"
        ) from err
    return documents.distinct(path, "image", drawings)


def _shapes(image: Element) -> Sequence[Element]:
    return sorted((each for each in image if each.tag not in _OF_THE_IMAGE), key=lambda e: int(e.get("z_order", "0")))


def _size(image: Element) -> tuple[int, int]:
    return int(image.attrib["height"]), int(image.attrib["width"])


def _draw(path: Path, name: str, size: tuple[int, int], shapes: Sequence[Element], _: bytes, __: Size) -> Labelled:
    try:
        regions = [Region(shape.attrib["label"], partial(_cover, shape.tag, shape.attrib)) for shape in shapes]
        return drawing.draw(*size, regions)
    except KeyError as err:
        raise ValueError(f"{path}: image {name}: expected a shape with the attribute {err}; correct the file") from err
    except ValueError as err:
        raise ValueError(f"{path}: image {name}: {err}; correct the file") from err


def _cover(tag: str, values: Mapping[str, str], height: int, width: int) -> Covered:
    if tag in _WITHOUT_AREA:
        raise drawing.without_area(tag)
    if tag not in _SHAPES:
        raise ValueError(f"expected {', '.join(_SHAPES)}, got a {tag}")
    if tag == "polygon":
        corners = [_number(text, float) for text in values["points"].replace(";", ",").split(",")]
        return drawing.polygons([corners], height, width)
    degrees = _number(values.get("rotation", "0"), float)
    if tag == "box":
        left, top, right, bottom = (_number(values[key], float) for key in ("xtl", "ytl", "xbr", "ybr"))
        return drawing.rectangle((left, top, right, bottom), height, width, degrees=degrees)
    if tag == "ellipse":
        x, y, across, down = (_number(values[key], float) for key in ("cx", "cy", "rx", "ry"))
        return drawing.ellipse((x, y), (across, down), height, width, degrees=degrees)
    left, top, columns, rows = (_number(values[key], int) for key in ("left", "top", "width", "height"))
    if min(left, top, columns, rows) < 0 or left + columns > width or top + rows > height:
        raise ValueError(f"expected a mask within {width} x {height}, got {columns} x {rows} at {left}, {top}")
    counts = [_number(text, int) for text in values["rle"].split(",")]
    return drawing.runs(counts, rows, columns).moved(top, left)


def _number(text: str, kind: Callable[[str], Number]) -> Number:
    try:
        return kind(text)
    except ValueError as err:
        raise ValueError(f"expected a number, got {text[:50]!r}") from err
