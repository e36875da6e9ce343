"""Files that may say the splits of a data set, but are not read for them: to be asked about."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from pipeline.planning.list_files import MOST_BYTES
from pipeline.planning.listing import Listing
from pipeline.planning.split_words import WORDS

_UNREAD = {".txt", ".lst", ".csv", ".json", ".yaml", ".yml"}  # suffixes of files that may say the splits
_SPLIT = re.compile(r"(?i)(.*[_-])?splits?([_-].*)?")


def unread(listing: Listing) -> list[str]:
    """Return files that are named after splits: to be asked about, where no list or folder says the splits."""
    words = (_SPLIT, *WORDS.values())
    paths = listing.named(*_UNREAD)
    named = [path for path in paths if any(word.fullmatch(PurePosixPath(path).stem) for word in words)]
    return named or [path for path in paths if _is_monai(listing, path)]


def _is_monai(listing: Listing, path: str) -> bool:
    """Return whether a file lists the images of splits as MONAI's and the Medical Segmentation Decathlon's do."""
    file = listing.root / path
    try:
        if PurePosixPath(path).name != "dataset.json" or file.stat().st_size > MOST_BYTES:
            return False
        tree = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    keys = [key for key, images in tree.items() if images] if isinstance(tree, dict) else []
    return sum(any(word.fullmatch(key) for key in keys) for word in WORDS.values()) > 1


def is_named_after_split(path: str) -> bool:
    """Return whether a word of a file's name is a split's: instances_train2017.json, val.json."""
    return bool(_splits(path))


def of_annotations(named: Sequence[str], files: Collection[str]) -> dict[str, str]:
    """Return the file of each split's annotations.

    Nothing if a file is not named after one split, two are named after the same, or none after train.

    Args:
        named: the files that are named after splits.
        files: all files of annotations.
    """
    found = {split: path for path in named if len(splits := _splits(path)) == 1 for split in splits}
    return found if "train" in found and len(found) == len(files) > 1 else {}


def _splits(path: str) -> set[str]:
    words = re.split(r"[_\-. ]", PurePosixPath(path).stem)
    return {split for split, pattern in WORDS.items() for word in words if pattern.fullmatch(word)}
