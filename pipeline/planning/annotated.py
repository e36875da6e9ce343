"""Files of annotations in a folder: which kind they are, and the globs of them and of their images."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from os import path as os_path
from pathlib import PurePosixPath

from pipeline.data import annotations
from pipeline.data.annotations import labelme, panoptic, yolo
from pipeline.files.decoding import suffixes
from pipeline.planning.listing import Listing
from pipeline.planning.masks import families, globs, mask_files
from pipeline.planning.masks.families import Family
from pipeline.planning.names import class_names

_LARGEST = 2_000_000_000  # bytes: a JSON file beyond that is not read to see what it is
_MARK = b"<annotations"
_SUFFIXES = (".json", ".xml", ".txt")
_LOOKED_AT = 20  # text files that may be annotations


@dataclass(frozen=True)
class Annotated:
    """Annotations of images."""

    kind: str
    """As `mask_kind`."""
    images: str
    masks: str
    """The globs of images and annotations."""
    family: Family | None = None
    """The images with their annotations, where each has a file of its own."""
    questions: tuple[str, ...] = ()


def named_by(listing: Listing, pattern: str | None) -> Listing:
    """Return the listing without annotations that a glob, if there is one, does not name; it may name masks instead."""
    if pattern is None:
        return listing
    are_masks = bool(mask_files.matching(listing.root, pattern, suffixes()))
    files = set() if are_masks else set(mask_files.matching(listing.root, pattern, _SUFFIXES))
    others = (path for path in listing.others if path in files or PurePosixPath(path).suffix.lower() not in _SUFFIXES)
    return replace(listing, others=tuple(others))


def find(listing: Listing) -> Annotated | None:
    """Return the annotations in a folder; None: none are known, or they name no image that is there.

    Raises:
        ValueError: there are YOLO's or COCO's boxes, and neither other annotations nor masks.
    """
    cvat = [path for path in listing.named(".xml") if _MARK in _start(listing, path, 4096)]
    if cvat:
        return _globs(listing, "cvat", cvat)
    kinds = _kinds(listing)
    for kind in ("panoptic", "coco"):
        files = [path for path, each in kinds.items() if each == kind]
        if files and (globs_of_images := _globs(listing, kind, _best(files))) is not None:
            return globs_of_images
    labelme = [path for path in listing.named(".json") if kinds.get(path) == "labelme"]
    for kind, files in (("labelme", labelme), ("yolo", _yolo(listing))):
        pictures = _that_files_name(listing, files) if kind == "labelme" else listing.pictures
        if files and (of_images := families.find([*pictures, *files], files)):
            asked = _asked_of_boxes(listing, files) if kind == "yolo" else ()
            asked += (*mask_files.asked_of_left_out(of_images[0]), *_asked_of_masks(listing, of_images[0]))
            return Annotated(kind, *globs.of(of_images[0]), of_images[0], asked)
    _refuse_boxes(listing, [path for path, each in kinds.items() if each == "boxes"])
    return None


def _that_files_name(listing: Listing, files: Sequence[str]) -> list[str]:
    """Return the pictures without those beside the ones that LabelMe's files name as theirs: a.png beside a.jpg.

    A few files are read. What is beside their images, by its suffix and its folder's name, is beside all others'.
    """
    of_stem: dict[str, set[str]] = {}
    for path in listing.pictures:
        of_stem.setdefault(PurePosixPath(path).stem, set()).add(path)
    theirs, beside = set[tuple[str, str]](), set[tuple[str, str]]()
    for path in files[:: max(1, len(files) // _LOOKED_AT)]:
        named = labelme.image_of(listing.root / path)
        image = os_path.normpath(PurePosixPath(path).parent / named.replace("\\", "/")) if named else ""
        if image in (alike := of_stem.get(PurePosixPath(image).stem, set())):
            theirs.add(_place(image))
            beside |= set(map(_place, alike - {image}))
    return [path for path in listing.pictures if _place(path) not in beside - theirs]


def _place(path: str) -> tuple[str, str]:
    """Return the name of a file's folder, and its suffix."""
    pure = PurePosixPath(path)
    return pure.parent.name, pure.suffix.lower()


def _asked_of_masks(listing: Listing, annotated: Family) -> tuple[str, ...]:
    """Return a question where images that have annotations have masks, too."""
    images = {pair.image for pair in annotated.pairs}
    for family in families.find(listing.pictures):
        if any(pair.image in images for pair in family.pairs):
            return (
                f"Are the labels the annotations, of {len(images):,} images? Default: yes; masks are there too, of "
                f"{len(family.pairs):,}, such as {family.pairs[0].mask}: --masks says that they are meant",
            )
    return ()


def _yolo(listing: Listing) -> list[str]:
    """Return the text files that have the name of a picture, if most of the first that hold text are YOLO's.

    There are none where pictures are masks, of which such files may be anything, or where data.yaml has poses.
    """
    named, contents = _texts(listing)
    are_polygons = 2 * sum(map(yolo.is_polygons, contents.values())) > len(contents)
    return named if are_polygons and not families.find(listing.pictures) and not class_names.are_poses(listing) else []


def _texts(listing: Listing) -> tuple[list[str], dict[str, bytes]]:
    """Return the text files that have the name of a picture, and the first contents of these that are not empty."""
    stems = {PurePosixPath(path).stem for path in listing.pictures}
    named = [path for path in listing.named(".txt") if PurePosixPath(path).stem in stems]
    contents = ((path, _start(listing, path, -1)) for path in named)
    return named, dict(islice((each for each in contents if each[1].strip()), _LOOKED_AT))


def _refuse_boxes(listing: Listing, of_coco: Sequence[str]) -> None:
    of_yolo = [path for path, content in _texts(listing)[1].items() if yolo.num_boxes(content)]
    if (of_yolo or of_coco) and not families.find(listing.pictures):
        whose, first = ("YOLO's", of_yolo[0]) if of_yolo else ("COCO's", of_coco[0])
        raise ValueError(
            f"expected masks or outlines of objects, got {whose} boxes, as in {first}, which do not say which of their "
            f"pixels belong to an object; export polygons ({whose} segmentation), or name masks with --masks"
        )


def _asked_of_boxes(listing: Listing, files: Sequence[str]) -> tuple[str, ...]:
    """Return a question where all objects have four corners, as oriented boxes are written too."""
    contents = islice(filter(bytes.strip, (_start(listing, path, -1) for path in files)), _LOOKED_AT)
    if not all(map(yolo.have_four_corners, contents)):
        return ()
    return (
        "Are the objects' four corners their outlines? Default: yes; corners of boxes around them, as YOLO's oriented "
        "boxes have them, would label what lies beside an object too",
    )


def _start(listing: Listing, path: str, size: int) -> bytes:
    """Return the first bytes of a file, all of it for a size of -1; nothing if it cannot be read.

    Such are a link that leads nowhere, and a file of another user. Whether it is needed is told by who needs it.
    """
    try:
        with (listing.root / path).open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _kinds(listing: Listing) -> Mapping[str, str]:
    """Return the kind of each JSON file of annotations; of LabelMe's, whose files are many, one a folder is read.

    COCO's is "boxes" if most have no outline.
    """
    kinds: dict[str, str] = {}
    of_folder: dict[str, str] = {}
    for path in listing.named(".json"):
        folder = str(PurePosixPath(path).parent)
        if of_folder.get(folder) == "labelme":
            kinds[path] = "labelme"
        elif (kind := _kind(listing, path)) is not None:
            kinds[path] = of_folder[folder] = kind
    return kinds


def _kind(listing: Listing, path: str) -> str | None:
    file = listing.root / path
    try:
        if file.stat().st_size > _LARGEST:
            return None
        tree = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    if {"shapes", "imageHeight"} <= tree.keys():
        return "labelme"
    annotated = tree.get("annotations")
    if not {"images", "annotations", "categories"} <= tree.keys() or not isinstance(annotated, list):
        return None
    held = [each for each in annotated if isinstance(each, dict)]
    if any("segments_info" in each for each in held):
        return "panoptic"
    outlined = sum(bool(each.get("segmentation")) for each in held)
    if outlined and 2 * outlined >= len(held):
        return "coco"
    return "boxes" if any("bbox" in each for each in held) else None


def _best(files: Sequence[str]) -> list[str]:
    """Return the files of one kind of annotations: of COCO's instances and keypoints, the instances."""
    instances = [path for path in files if "instances" in PurePosixPath(path).name]
    return instances or list(files)


def _globs(listing: Listing, kind: str, files: Sequence[str]) -> Annotated | None:
    pictures = set(listing.pictures)
    if kind == "panoptic":
        segments = {panoptic.folder_of(listing.root / path).relative_to(listing.root).as_posix() for path in files}
        pictures = {path for path in pictures if str(PurePosixPath(path).parent) not in segments}
    pictures -= {str(pair.mask) for family in families.find(sorted(pictures)) for pair in family.pairs}
    pairs, drawings = annotations.read_files(listing.root, pictures, files, kind)
    named = {pair.image for pair in drawings if pair.image in pictures}
    if not named:
        return None
    family = Family(tuple(pair for pair in pairs if pair.image in named))
    asked = () if kind == "panoptic" else _asked_of_masks(listing, family)
    return Annotated(kind, globs.of_images(family.pairs), alternatives(files), questions=asked)


def alternatives(files: Sequence[str]) -> str:
    """Return the glob of a few files that differ in one part of their paths.

    Example:
        >>> alternatives(["a/instances_train2017.json", "a/instances_val2017.json"])
        'a/instances_{train,val}2017.json'

    Raises:
        ValueError: they differ in several folders.
    """
    if len(files) == 1:
        return files[0]
    start = os_path.commonprefix(list(files))  # noqa: RUF071  # of characters, as wanted
    end = os_path.commonprefix([path[len(start) :][::-1] for path in files])[::-1]  # noqa: RUF071
    words = [path[len(start) : len(path) - len(end)] for path in files]
    if any("/" in word or not word for word in words):
        raise ValueError(
            f"expected files of annotations that differ in one word, got {files[0]} and {files[1]}; move one"
        )
    return f"{start}{{{','.join(words)}}}{end}"
