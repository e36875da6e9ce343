"""Files that may say the splits of a data set, but are not read for them: to be asked about."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from pipeline.planning.listing import Listing
from pipeline.planning.splits import yolo_splits
from pipeline.planning.splits.list_files import MOST_BYTES
from pipeline.planning.splits.split_words import WORDS, split_of_list, splits_in

_TABLES = (".csv", ".tsv")
_UNREAD = (".txt", ".lst", *_TABLES, ".json", ".yaml", ".yml")  # suffixes of files that may say the splits
_SPLIT = re.compile(r"(?i)(.*[_-])?splits?([_-].*)?")
_COLUMN = re.compile(rf"{_SPLIT.pattern}|subset|partition|fold")
_UNSURE = re.compile(r"(?i)(?<![a-z])(dev(el(opment)?)?|h[eo]ld[_-]?out|eval(uation)?)(?![a-z])")
_DECIMAL = re.compile(r"[-+]?\d*\.\d+")  # whose stem, the 0 of 0.5, may be a picture's
_LOOKED_AT = 100_000  # characters of a file


def unread(listing: Listing) -> list[str]:
    """Return files that may say the splits: to be asked about, where no list or folder does.

    They are named after splits, name pictures and have a word of a split, such as fold0_train.txt, are tables with a
    column of splits, or are YOLO's data.yaml.
    """
    stems = frozenset(PurePosixPath(path).stem for path in listing.pictures)
    named = [path for path in listing.named(*_UNREAD) if _may_say_splits(listing, path, stems)]
    monai = [path for path in listing.named(".json") if _is_monai(listing, path)]
    return named or monai or yolo_splits.unread(listing)


def _may_say_splits(listing: Listing, path: str, stems: Collection[str]) -> bool:
    name = PurePosixPath(path)
    if any(word.fullmatch(name.stem) for word in (_SPLIT, *WORDS.values())):
        return True
    if name.stem in stems:  # what is known of one picture
        return False
    if split_of_list(name.stem) is not None:
        return True
    if name.suffix.lower() not in (".txt", ".lst", *_TABLES):
        return False
    lines = _first_lines(listing, path)
    if name.suffix.lower() in _TABLES and any(map(_COLUMN.fullmatch, _cells("".join(lines[:1])))):
        return True
    return bool(splits_in(name.stem) or _UNSURE.search(name.stem)) and _name_pictures(lines, stems)


def _first_lines(listing: Listing, path: str) -> list[str]:
    try:
        with (listing.root / path).open(encoding="utf-8-sig") as file:
            return [line for line in file.read(_LOOKED_AT).splitlines() if line.strip()]
    except (OSError, ValueError):
        return []


def _cells(line: str) -> list[str]:
    return [cell.strip("\"' ") for cell in re.split(r"[,;\t]", line)]


def _name_pictures(lines: Sequence[str], stems: Collection[str]) -> bool:
    """Return whether most lines have the name of a picture; a number is one where it is alone."""
    named = 0
    for line in lines:
        words = [word for cell in _cells(line) for word in cell.split()]
        words = [word for word in words if not _DECIMAL.fullmatch(word) and (len(words) == 1 or not word.isdigit())]
        named += any(PurePosixPath(word).stem in stems for word in words)
    return 2 * named > len(lines)


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
    return bool(splits_in(PurePosixPath(path).stem))


def named(listing: Listing, images: Sequence[str], files: Sequence[str], masks: Collection[str]) -> dict[str, str]:
    """Return the file of each split's annotations, else the folder that YOLO's data.yaml names; nothing if none do."""
    return of_annotations(files, masks) or yolo_splits.of_images(listing, images)


def of_annotations(named: Sequence[str], files: Collection[str]) -> dict[str, str]:
    """Return the file of each split's annotations.

    Nothing if a file is not named after one split, two are named after the same, or none after train.

    Args:
        named: the files that are named after splits.
        files: all files of annotations.
    """
    found = {
        split: path for path in named if len(splits := splits_in(PurePosixPath(path).stem)) == 1 for split in splits
    }
    return found if "train" in found and len(found) == len(files) > 1 else {}
