"""The words by which folders and files are named after splits."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import PurePosixPath

WORDS = {
    "train": re.compile(r"(?i)(images?[_-]?)?train(ing)?[_-]?(\d{4}|images?)?|imagesTr"),
    "val": re.compile(r"(?i)(images?[_-]?)?val(id|idation)?[_-]?(\d{4}|images?)?"),
    "test": re.compile(r"(?i)(images?[_-]?)?test(ing)?[_-]?(\d{4}|images?)?|imagesTs"),
}
_SEPARATOR = r"([_\-. ])"


def split_of_folder(path: str) -> tuple[str, str] | None:
    """Return the split that one of the folders of a path is named after, with the folder's name.

    A folder that has the split's name counts before one of which it is a word, such as uavid_train; one with the words
    of two splits is named after neither, but train_val is what validation images are taken from.
    """
    folders = PurePosixPath(path).parent.parts
    named = [(split, folder) for folder in folders for split, word in WORDS.items() if word.fullmatch(folder)]
    return next(chain(named, ((split, folder) for folder in folders if (split := named_by(folder)))), None)


@cache
def without_split(folder: str) -> str:
    """Return a folder's name without the words that are a split's, such as 2018_Training_GroundTruth's."""
    return "".join(part for part in re.split(_SEPARATOR, folder) if not _splits([part]))


@cache
def named_by(folder: str) -> str:
    """Return the one split of which a folder's name has a word; "" if there is none, or several."""
    if re.fullmatch(r"(?i)train(ing)?[_\-. ]?val(idation)?", folder):
        return "train"
    splits = _splits(re.split(_SEPARATOR, folder))
    return splits.pop() if len(splits) == 1 else ""


def _splits(words: Sequence[str]) -> set[str]:
    return {split for word in words for split, pattern in WORDS.items() if pattern.fullmatch(word)}
