"""Annotations that are not masks: polygons and segments, with the images that they belong to."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.data import pairing
from pipeline.data.annotations import coco, cvat, labelme, panoptic, yolo
from pipeline.data.annotations.drawing import Drawing as Drawing, Labelled as Labelled, Size as Size
from pipeline.data.annotations.matching import image_of
from pipeline.data.pairing import Pair

_FILES: Mapping[str, Callable[[Path], Mapping[str, Drawing]]] = {
    "coco": coco.read,
    "cvat": cvat.read,
    "panoptic": panoptic.read,
}
"""What reads a file of annotations, by `mask_kind`: the drawing of each image that the file names."""
_OF_IMAGE: Mapping[str, Callable[[Path], Drawing]] = {"labelme": labelme.drawing_of, "yolo": yolo.drawing_of}
"""What reads a file that belongs to one image, as a mask does."""


def read(root: Path, images: str, masks: str, kind: str) -> tuple[Collection[Pair], dict[Pair, Drawing]]:
    """Return all images with the files of their annotations as masks, sorted by path, and what draws each mask.

    An image that no file names is a pair without a mask, one that does not exist is one whose image is missing. Of
    YOLO's, an image without a mask may be drawn all the same: as one without objects.

    Args:
        root: the data set's folder.
        images: glob of the images below it.
        masks: glob of the files of annotations. LabelMe's and YOLO's belong to images as masks do; others name them. A
            text file without an image is none of YOLO's: only those that have the name of an image are read.
        kind: coco, cvat, labelme, panoptic or yolo.

    Raises:
        ValueError: as for `pairing.find`; a file is not of its kind; it is not clear which image one means; or an image
            has annotations in two files.
    """
    if (drawing_of := _OF_IMAGE.get(kind)) is not None:
        pairs: Collection[Pair] = pairing.find(root, images, masks)
        if kind == "yolo" and any(pair.image is None for pair in pairs):  # such as classes.txt beside the labels
            pairs = [pair for pair in pairs if pair.image is not None]
        drawings = {pair: drawing_of(root / pair.mask) for pair in pairs if pair.mask is not None}
        if kind == "yolo":
            drawings |= dict.fromkeys(_without_objects(root, images, masks, pairs), yolo.background())
        return pairs, drawings
    image_files, files = pairing.matches(root, images, masks)
    return read_files(root, list(map(str, image_files.to_pylist())), list(map(str, files.to_pylist())), kind)


def _without_objects(root: Path, images: str, masks: str, pairs: Collection[Pair]) -> Iterator[Pair]:
    """Yield the images without a text file in which there is no object, as Ultralytics takes them.

    Not so where no image of the folder has one, as in a test split whose labels are not public, nor where there is
    something of the text file's name: a link that leads nowhere, or a folder.
    """
    labelled = {PurePosixPath(str(pair.image)).parent for pair in pairs if pair.mask is not None}
    for pair in pairs:
        if pair.image is not None and pair.mask is None and PurePosixPath(pair.image).parent in labelled:
            place = pairing.place_of_mask(images, masks, pair.image)
            if not os.path.lexists(root / f"{place}.txt"):
                yield pair


def read_files(
    root: Path, images: Iterable[str], files: Iterable[str], kind: str
) -> tuple[list[Pair], dict[Pair, Drawing]]:
    """Return what `read` returns for the images and the files of annotations that the globs match.

    Raises:
        ValueError: as for `read`.
    """
    drawings: dict[Pair, Drawing] = {}
    file_of: dict[str, str] = {}
    for file in sorted(files):
        of_name = _FILES[kind](root / file)
        for name, image in image_of(of_name, images, file).items():
            if (other := file_of.setdefault(image, file)) != file:
                raise ValueError(
                    f"expected the annotations of an image in one file, got those of {image} in {other} and {file}; "
                    "narrow dataset.masks, or say which by --masks of segnet init"
                )
            drawings[Pair(image, file)] = of_name[name]
    alone = [Pair(image, None) for image in set(images) - file_of.keys()]
    return sorted([*drawings, *alone], key=lambda pair: pair.path), drawings
