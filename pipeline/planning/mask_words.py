"""The words by which files and folders of masks are told from those of images."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

OF_MASKS = re.compile(
    r"(?i)mask|label|annot|segm|ground.?truth|(?<![a-z])(gt|seg|lbl)(?![a-z])|^gt(fine|coarse)|(?-i:_L$)"
)
_END_OF_MASK = r"(?i:gt\w*|masks?|label\w*|seg\w*|annot\w*|lbl|trimap)|L"
_END_OF_IMAGE = r"leftImg8bit|0000|image|img|rgb|sat|photo"


@dataclass(frozen=True)
class Words:
    """What names of files and folders have at their ends, or are, that tells masks from images."""

    of_masks: re.Pattern[str] | None
    """Of the very folder of masks, beside `OF_MASKS` of any."""
    end_of_mask: re.Pattern[str]
    end_of_image: re.Pattern[str]


USUAL = Words(None, re.compile(_END_OF_MASK), re.compile(rf"(?i)[_-]({_END_OF_IMAGE})$"))
RARER = Words(
    re.compile(
        r"(?i)(?<![a-z])(gts?|semantics?|instances?|panoptic|targets?|manual\d*)(?![a-z])|^y[_-]|"
        r"(?-i:(?<=[a-z])(Seg|GT)(?![a-z]))"
    ),
    re.compile(rf"{_END_OF_MASK}|(?i:lab|anno|manual\d*)"),
    re.compile(rf"(?i)[_-]({_END_OF_IMAGE}|training|test)$"),
)
"""With words that often mean something else, such as target_field: looked for only where the usual ones find none."""


def is_named_after_masks(folder: str) -> bool:
    """Return whether a folder's name says that it holds masks."""
    return OF_MASKS.search(folder) is not None


def folders_of_masks(path: str, by: Words) -> list[str]:
    """Return the folders of a path whose names say that masks lie in them."""
    folders = PurePosixPath(path).parent.parts
    last = len(folders) - 1
    rarer = by.of_masks
    return [
        folder
        for i, folder in enumerate(folders)
        if OF_MASKS.search(folder) or (i == last and rarer is not None and rarer.search(folder))
    ]
