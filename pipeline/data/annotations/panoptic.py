"""COCO's panoptic segments: PNGs whose colours are ids of segments, and a JSON file that says what each one is.

Source: the format of cocodataset.org, "Data format", section "Panoptic Segmentation": id = R + 256 G + 65536 B; 0 is
unlabelled. The PNGs are in the folder named like the JSON file, as the tools panopticapi have it.
"""

from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data.annotations import documents
from pipeline.data.annotations.coco import Category, Id, names_of
from pipeline.data.annotations.documents import Record
from pipeline.data.annotations.drawing import Drawing, Labelled, Size
from pipeline.files.images import decode, read_colours


class _Image(Record):
    id: Id
    file_name: str


class _Segment(Record):
    id: int
    category_id: Id


class _Annotation(Record):
    image_id: Id
    file_name: str
    segments_info: list[_Segment]


class _File(Record):
    images: list[_Image]
    categories: list[Category]
    annotations: list[_Annotation]


def read(path: Path) -> dict[str, Drawing]:
    """Return what draws the mask of each image that a file names.

    Raises:
        ValueError: it cannot be read, is not COCO's, names an image or a category that it does not list, has an
            image, a category or a segment twice, or there is no folder of PNGs.
    """
    file = documents.read(path, _File, "COCO's panoptic annotations")
    names = names_of(path, file.categories)
    images = documents.distinct(path, "id of an image", ((image.id, image.file_name) for image in file.images))
    folder = folder_of(path)
    drawings: list[tuple[str, Drawing]] = []
    for annotation in file.annotations:
        if unknown := {segment.category_id for segment in annotation.segments_info} - names.keys():
            raise ValueError(f"{path}: expected a category of the file, got {min(unknown, key=str)}; correct the file")
        if annotation.image_id not in images:
            raise ValueError(f"{path}: expected annotations of the images listed, got one of {annotation.image_id}")
        segments = ((segment.id, names[segment.category_id]) for segment in annotation.segments_info)
        labels = documents.distinct(path, f"segment of {annotation.file_name}", segments)
        drawing = Drawing(partial(_draw, labels), folder / annotation.file_name)
        drawings.append((images[annotation.image_id], drawing))
    return documents.distinct(path, "image", drawings)


def folder_of(path: Path) -> Path:
    """Return the folder of the PNGs of a JSON file: beside it, or beside its folder.

    Raises:
        ValueError: there is none.
    """
    for folder in (path.with_suffix(""), path.parent.parent / path.stem):
        if folder.is_dir():
            return folder
    raise ValueError(f"{path}: expected a folder {path.stem} with the PNGs of its segments, beside it or its folder")


def _draw(labels: dict[int, str], png: bytes, _: Size) -> Labelled:
    decoded = decode(png)
    colours = read_colours(decoded)
    ids, codes = np.unique(colours @ np.array([1, 256, 65_536]), return_inverse=True)
    names = [None if each == 0 else labels.get(each, f"segment {each}, of no category") for each in ids.tolist()]
    distinct = (None, *sorted({name for name in names if name is not None}))
    code_of_id = np.array([distinct.index(name) for name in names], np.uint16)
    return Labelled(code_of_id[codes].reshape(colours.shape[:2]), distinct, decoded.orientation)
