"""The words by which folders and files are named after splits."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import PurePosixPath

_WITH_WORD = r"(?i)(images?[_-]?)?({})[_-]?(\d{{4}}|images?|(data)?set|data)?"
WORDS = {
    "train": re.compile(f"{_WITH_WORD.format('train(ing)?|trn')}|imagesTr|(?-i:TR)"),
    "val": re.compile(_WITH_WORD.format("val(id|idation)?")),
    "test": re.compile(f"{_WITH_WORD.format('test(ing)?|tst')}|imagesTs|(?-i:TE)"),
}
_SEPARATOR = r"((?<!T[RE])[_\-. ]|[_\-. ](?!\d))"  # TE_30 is a scanner's echo time
_JOINT = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?<!T[RE])(?=\d)|(?<=\d)(?=[A-Za-z])")
_OF_LISTS = re.compile(
    r"(?i)(auto)?splits?|lists?|ids?|(data)?sets?|data|images?|imgs?|files?|(file|image)?names?|stems?|paths?|samples?"
)


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
    return "".join(word for word in _words(folder) if not _splits([word]))


@cache
def named_by(folder: str) -> str:
    """Return the one split of which a folder's name has a word; "" if there is none, or several.

    >>> [named_by(folder) for folder in ("uavid_train", "TestDataset", "SBUTrain4K", "trainstation", "train_test")]
    ['train', 'test', 'train', '', '']
    """
    if re.fullmatch(r"(?i)train(ing)?[_\-. ]?val(idation)?", folder):
        return "train"
    splits = splits_in(folder)
    return splits.pop() if len(splits) == 1 else ""


def splits_in(name: str) -> set[str]:
    """Return the splits that words of a name are of."""
    return _splits(_words(name))


def split_of_list(name: str) -> tuple[str, str] | None:
    """Return the split that a list is named after, with its other words, each of which says but that it is a list.

    >>> split_of_list("train_list"), split_of_list("valIds"), split_of_list("val2017"), split_of_list("fold0_train")
    (('train', 'list'), ('val', 'ids'), ('val', ''), None)
    """
    for split, pattern in WORDS.items():
        if pattern.fullmatch(name):
            return split, ""
    others = [word for word in _words(name) if word and not _splits([word]) and not re.fullmatch(_SEPARATOR, word)]
    splits = splits_in(name)
    if len(splits) != 1 or not all(map(_OF_LISTS.fullmatch, others)):
        return None
    return splits.pop(), " ".join(others).lower()


def _words(name: str) -> list[str]:
    """Return the words of a name with what separates them; one that is no split's is cut as in SBU Train 4 K.

    >>> _words("SBUTrain4K_train2017")
    ['SBU', 'Train', '4', 'K', '_', 'train2017']
    """
    parts = re.split(_SEPARATOR, name)
    return [*chain.from_iterable([part] if _splits([part]) else _JOINT.split(part) for part in parts)]


def _splits(words: Sequence[str]) -> set[str]:
    return {split for word in words for split, pattern in WORDS.items() if pattern.fullmatch(word)}
