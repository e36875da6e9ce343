"""COCO's polygons: a JSON file of images, categories and annotations.

Source: the format of cocodataset.org, "Data format", section "Object Detection". Crowds (iscrowd), which are runs of
pixels, count as their category.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pipeline.data.annotations import documents, drawing
from pipeline.data.annotations.documents import Record
from pipeline.data.annotations.drawing import Covered, Drawing, Labelled, Region, Size

Id = int | str


class Image(Record):
    """An image of the file."""

    id: Id
    file_name: str
    height: int
    width: int


class Category(Record):
    """A class."""

    id: Id
    name: str


class _Runs(Record):
    size: tuple[int, int]
    counts: list[int] | str


class _Annotation(Record):
    id: Id | None = None
    image_id: Id
    category_id: Id
    segmentation: list[list[float]] | _Runs | None = None


class _File(Record):
    images: list[Image]
    categories: list[Category]
    annotations: list[_Annotation]


def read(path: Path) -> dict[str, Drawing]:
    """Return what draws the mask of each image that a file names.

    Raises:
        ValueError: it cannot be read, is not COCO's, names an image or a category that it does not list, or lists one
            twice.
    """
    file = documents.read(path, _File, "COCO's annotations with polygons")
    names = names_of(path, file.categories)
    images = documents.distinct(path, "id of an image", ((image.id, image) for image in file.images))
    by_image: dict[Id, list[_Annotation]] = defaultdict(list)
    for annotation in file.annotations:
        if annotation.category_id not in names:
            raise ValueError(f"{path}: expected a category of the file, got {annotation.category_id}; correct the file")
        by_image[annotation.image_id].append(annotation)
    if unknown := by_image.keys() - images.keys():
        raise ValueError(f"{path}: expected annotations of the images listed, got one of {min(unknown, key=str)}")
    drawings = (
        (image.file_name, Drawing(partial(_draw, path, image, by_image[image.id], names))) for image in images.values()
    )
    return documents.distinct(path, "image", drawings)


def names_of(path: Path, categories: Sequence[Category]) -> dict[Id, str]:
    """Return the categories' names.

    Raises:
        ValueError: two have one id.
    """
    return documents.distinct(path, "id of a category", ((category.id, category.name) for category in categories))


def _draw(
    path: Path, image: Image, annotations: Sequence[_Annotation], names: dict[Id, str], _: bytes, __: Size
) -> Labelled:
    regions = (Region(names[each.category_id], partial(_cover, each)) for each in annotations)
    try:
        return drawing.draw(image.height, image.width, regions)
    except ValueError as err:
        raise ValueError(f"{path}: image {image.file_name}: {err}; correct the file") from err


def _cover(annotation: _Annotation, height: int, width: int) -> Covered:
    shape = annotation.segmentation
    try:
        if not isinstance(shape, _Runs):
            return drawing.polygons(shape or [], height, width)
        if shape.size != (height, width):
            raise ValueError(f"expected runs of {width} x {height} pixels, got {shape.size[1]} x {shape.size[0]}")
        counts = shape.counts if isinstance(shape.counts, list) else drawing.unpacked(shape.counts)
        return drawing.runs(counts, width, height).transposed()  # they go down the columns
    except ValueError as err:
        raise ValueError(f"annotation {annotation.id}: {err}") from err
