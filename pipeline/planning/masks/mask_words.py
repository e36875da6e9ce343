"""The words by which files and folders of masks are told from those of images."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

_OF_MASKS = re.compile(
    r"(?i)mask|label|annot|segm|ground.?truth|(?<![a-z])(gt|seg|lbl|ann)(?![a-z])|^gt(fine|coarse)|(?-i:_L$)"
)
_WITHOUT = re.compile(
    r"(?i)((?<![a-z])(un|no|non|not|without)|(?-i:(?<=[a-z])Un))[_\-. ]?(mask|label|annot|segm|ground.?truth|gt|seg)"
)
_KIND = re.compile(
    r"(?i)(mask|label|annot|segm|ground.?truth)[a-z]*|(jpeg)?(images?|photos?|pictures?)(?![a-z])|"
    r"(?<![a-z])((gt|seg|lbl|ann)(fine|coarse)?|(jpeg)?imgs?|frames?|rgb|orig(inals?)?|raw|scans?)(?![a-z])"
)
_WITH_IMAGES = re.compile(r"(?i)images?|imgs?|photos?|pictures?|frames?")
_END_OF_MASK = r"(?i:gt\w*|masks?|label\w*|seg\w*|annot\w*|lbl|trimap)|L"
_END_OF_IMAGE = r"leftImg8bit|0000|image|img|rgb|sat|photo"


@dataclass(frozen=True)
class Words:
    """What names of files and folders have at their ends, or are, that tells masks from images."""

    of_masks: re.Pattern[str] | None
    """Of the very folder of masks, beside the usual ones of any."""
    end_of_mask: re.Pattern[str]
    end_of_image: re.Pattern[str]


USUAL = Words(None, re.compile(_END_OF_MASK), re.compile(rf"(?i)[_-]({_END_OF_IMAGE})$"))
RARER = Words(
    re.compile(
        r"(?i)(?<![a-z])(gts?|semantics?|instances?|panoptic|targets?|manual\d*|anno|lab)(?![a-z])|^y[_-]|"
        r"(?-i:(?<=[a-z])(Seg|GT)(?![a-z]))"
    ),
    re.compile(rf"{_END_OF_MASK}|(?i:lab|anno|manual\d*)"),
    re.compile(rf"(?i)[_-]({_END_OF_IMAGE}|training|test)$"),
)
"""With words that often mean something else, such as target_field: looked for only where the usual ones find none."""


@cache
def is_named_after_masks(folder: str) -> bool:
    """Return whether a folder's name says that it holds masks, and not that there are none, as unlabelled does."""
    return _OF_MASKS.search(_WITHOUT.sub("", folder)) is not None


@cache
def is_named_after_images(folder: str) -> bool:
    """Return whether a folder's name says that it holds images, as labeled_images does too."""
    return _WITH_IMAGES.search(folder) is not None


@cache
def place_and_kind(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a folder's name says of which place, camera or day its files are, and whether images or masks.

    >>> place_and_kind("rgb_north"), place_and_kind("NorthMasks"), place_and_kind("labels"), place_and_kind("day_12")
    ((('north',), ('rgb',)), (('north',), ('masks',)), ((), ('labels',)), (('day', '12'), ()))
    """
    kinds = tuple(each[0] for each in _KIND.finditer(folder.lower()))
    return tuple(re.findall(r"[^\W_]+", _KIND.sub(" ", folder.lower()))), kinds


def folders_of_masks(path: str, by: Words) -> list[str]:
    """Return the folders of a path whose names say that masks lie in them."""
    folders = PurePosixPath(path).parent.parts
    last = len(folders) - 1
    rarer = by.of_masks
    return [
        folder
        for i, folder in enumerate(folders)
        if is_named_after_masks(folder) or (i == last and rarer is not None and rarer.search(folder))
    ]


def images_beside_masks(pictures: Iterable[str]) -> dict[str, str]:
    """Return the pictures in a folder of images beside one of masks, with their paths below the folder of both.

    The name of that folder tells nothing of them, such as labeled of labeled/images, where there is labeled/masks.
    """
    of_images: dict[str, list[str]] = {}
    with_masks = set()
    for path in pictures:
        above = ""
        for folder in PurePosixPath(path).parent.parts:
            if is_named_after_masks(folder):
                with_masks.add(above)
            elif is_named_after_images(folder):
                of_images.setdefault(above, []).append(path)
            above += f"{folder}/"
    both = sorted(with_masks & of_images.keys(), key=len)
    return {path: path.removeprefix(above) for above in both for path in of_images[above]}
