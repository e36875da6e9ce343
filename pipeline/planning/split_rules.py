"""How images are assigned to train, val and test: as folders, lists or the images' names suggest."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.data import split_document, split_lists
from pipeline.data.pairing import Pair
from pipeline.planning.listing import Listing
from pipeline.planning.split_words import WORDS, named_by, split_of_folder

_DOCUMENT = re.compile(r"(?i).*(split|train|val|test|partition|subset).*")
MOST_BYTES = 5_000_000  # of a file of splits; annotations are larger, and take long to read
EACH_ALONE = "([^/]+)$"
_BY_PATH = "(.+)"
_FOLD = "0."  # what the keys of nnU-Net's first fold begin with
_OF_FOLDS = "fold 0, the first in nnU-Net's splits_final.json of the data set"
_BY_NAME = r"([^/]+?)[_-]\d+[^/]*$"
_BY_FOLDER = "([^/]+)/[^/]+$"
_FEWEST = 6  # sequences: with fewer, a split of 15 % would be far from that
_CARVED = {"share": 0.15, "seed": 1}
_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


@dataclass(frozen=True)
class SplitRule:
    """A value for dataset.splits and one for dataset.sequence."""

    rule: Mapping[str, object]
    sequence: str
    reason: str
    sequence_reason: str
    questions: tuple[str, ...]


def by_folder(images: Sequence[str]) -> dict[str, str]:
    """Return the folder of each split, if each image is in one; nothing if not, or if there is no folder of train."""
    splits = {split_of_folder(image) for image in images}
    named = {} if None in splits else dict(sorted(each for each in splits if each is not None))
    return named if "train" in named and len(named) == len(splits) > 1 else {}


def by_list(listing: Listing, pairs: Sequence[Pair]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the list of each split, of the lists that belong together those with the fewest names of no pair.

    Lists that have an image in two splits are none: validation would stop at it. What is wrong is returned as a
    question.
    """
    names = split_lists.Names(pairs)
    best: tuple[float, dict[str, str]] = (0.0, {})
    for lists in [*_list_files(listing), *_documents(listing)]:
        matches = [[names.find(line) for line in _lines(listing, split, path)] for split, path in lists.items()]
        if "train" in lists and len(lists) > 1 and all(any(each) for each in matches):
            hits = sum(bool(pair) for each in matches for pair in each)
            best = max(best, (hits / sum(map(len, matches)), lists), key=lambda each: each[0])
    question = _overlap(listing, best[1], names)
    return ({}, (question,)) if question else (_with_test_folder(best[1], pairs), ())


def _with_test_folder(lists: dict[str, str], pairs: Sequence[Pair]) -> dict[str, str]:
    """Add the folder of the test images to the lists of a fold, which has none of these: nnU-Net's imagesTs."""
    images = [str(pair.image) for pair in pairs]
    folders = {split[1] for image in images if (split := split_of_folder(image)) is not None and split[0] == "test"}
    top = {f"{folder}/" for folder in folders if any(image.startswith(f"{folder}/") for image in images)}
    return {**lists, "test": top.pop()} if _is_fold(lists) and len(top) == 1 else lists


def _is_fold(lists: Mapping[str, str]) -> bool:
    return f"#{_FOLD}" in lists.get("train", "")


def _of_nnunet(listing: Listing) -> list[str]:
    """Return nnU-Net's own file of folds, relative to the data set, where nnU-Net keeps it: outside the raw images."""
    name = listing.root.resolve().name
    paths = (f"{up}/nnUNet_preprocessed/{name}/splits_final.json" for up in ("..", "../.."))
    return [path for path in paths if (listing.root / path).is_file()]


def _overlap(listing: Listing, lists: Mapping[str, str], names: split_lists.Names) -> str:
    """Return what is to be asked about images that several lists have; "" if there are none."""
    splits_of: dict[str, set[str]] = {}
    for split, path in lists.items():
        for pair in (pair for line in _lines(listing, split, path) for pair in names.find(line)):
            splits_of.setdefault(str(pair.image), set()).add(split)
    twice = {image: " and ".join(sorted(splits)) for image, splits in splits_of.items() if len(splits) > 1}
    if not twice:
        return ""
    image = min(twice)
    more = f" and {len(twice) - 1} more image{'s' if len(twice) > 2 else ''}" if len(twice) > 1 else ""
    where = "where do they belong" if more else "where does it belong"
    rule = ", ".join(f"{split}: {path}" for split, path in lists.items())
    return (
        f"The data set's lists ({rule}) have {image} in {twice[image]}{more}: {where}? Default: these "
        "lists are not used, and images are split at random. To use them, name corrected copies as dataset.splits"
    )


def lists_of_pairs(listing: Listing) -> tuple[dict[str, str], list[Pair]]:
    """Return lists each line of which is an image and its mask, and these; nothing if there are no such lists."""
    for lists in _list_files(listing):
        try:
            lines = {split: _lines(listing, split, path) for split, path in lists.items()}
            by_split = [split_lists.pairs(listing.root, lists[split], each) for split, each in lines.items()]
        except ValueError:
            continue
        if "train" in lists and len(lists) > 1 and all(by_split):
            return lists, [pair for each in by_split for pair in each]
    return {}, []


def _list_files(listing: Listing) -> list[dict[str, str]]:
    """Return, of each folder, the text files that are named after splits."""
    folders: dict[str, dict[str, str]] = {}
    for path in listing.named(".txt", ".lst"):
        for split, word in WORDS.items():
            if word.fullmatch(PurePosixPath(path).stem):
                folders.setdefault(str(PurePosixPath(path).parent), {})[split] = path
    return list(folders.values())


def _documents(listing: Listing) -> list[dict[str, str]]:
    """Return the lists of each YAML or JSON file that is named after splits and has keys that are.

    Of folds, they are the first one's.
    """
    documents = []
    for path in [*_of_nnunet(listing), *listing.named(*split_document.SUFFIXES)]:
        if not _DOCUMENT.fullmatch(PurePosixPath(path).stem) or (listing.root / path).stat().st_size > MOST_BYTES:
            continue
        try:
            keys = split_document.read(listing.root / path)
        except ValueError:
            continue
        named = {key.removeprefix(_FOLD): f"{path}#{key}" for key in keys}
        documents.append(
            {split: where for split, word in WORDS.items() for key, where in named.items() if word.fullmatch(key)}
        )
    return documents


def _lines(listing: Listing, split: str, path: str) -> list[str]:
    try:
        return split_lists.lines(listing.root, split, path)
    except ValueError:
        return []


def propose(
    folders: Mapping[str, str], lists: Mapping[str, str], images: Sequence[str], files: Sequence[str] = ()
) -> SplitRule:
    """Return how to split images.

    Args:
        folders: the folder of each split, if there are such.
        lists: the list of each split, if there are such, which count for more.
        images: paths of the images that have masks.
        files: files that are named after splits, and that are no such lists.
    """
    named = lists or folders
    kind, what = ("list", "lists") if lists else ("folder", "folders")
    if not named:
        shares = dict(_SHARES)
        pattern, reason, questions = _sequence(images)
        rule = {"by": "ratio", **shares, "seed": 1}
        asked = (*_of_some_folders(images), *([_question(files)] if files else []), *questions)
        return SplitRule(rule, pattern, "drawn: no usable folders or lists are named after splits", reason, asked)
    rule = {"by": kind, "train": named["train"], "val": named.get("val", _CARVED), "test": named.get("test")}
    source = _OF_FOLDS if _is_fold(lists) else f"{what} of the data set"
    among = () if lists else _of_words(folders)
    if "val" in named and "test" in named:
        return SplitRule(rule, _BY_PATH, source, _OWN, among)
    if "val" in named:
        question = (
            "There are no test images: is the validation split to be the test split, and are validation images to be "
            "taken from train? Default: no; val chooses the epoch and is scored too, and no version becomes champion "
            f"by itself. If yes: splits: {{by: {kind}, train: {named['train']}, val: {{share: 0.15, seed: 1}}, test: "
            f"{named['val']}}}"
        )
        return SplitRule(rule, _BY_PATH, f"{source}, which has no test images", _OWN, (*among, question))
    pattern, reason, questions = _sequence(images)
    return SplitRule(rule, pattern, f"{source}; val is taken from train", reason, (*among, *questions))


def _of_words(folders: Mapping[str, str]) -> tuple[str, ...]:
    """Return a question about folders of which a split's name is but a word, which may mean something else."""
    others = sorted(
        folder for split, folder in folders.items() if named_by(folder) == split and not WORDS[split].fullmatch(folder)
    )
    if not others:
        return ()
    return (
        f"Are {', '.join(sorted(folders.values()))} the splits? Default: yes, by a word in their names. If no, as of "
        "crash_test: splits: {by: ratio, train: 0.7, val: 0.15, test: 0.15, seed: 1}",
    )


def _of_some_folders(images: Sequence[str]) -> list[str]:
    """Return a question about folders that are named after splits, where the splits do not follow from them."""
    split_of = {image: split_of_folder(image) for image in images}
    folders = sorted({each[1] for each in split_of.values() if each is not None})
    if not folders:
        return []
    without = [image for image, each in split_of.items() if each is None]
    why = f", of which {without[0]} is in none" if without else ""
    return [
        f"Do the folders {', '.join(folders)} say the splits{why}? Default: no, images are drawn at random, those of a "
        "test folder too. If yes: name one folder for each of dataset.splits, and let dataset.images leave out others"
    ]


def _question(files: Sequence[str]) -> str:
    return (
        f"Does {' or '.join(files[:3])} say the splits? It is no list with an image on each line, and splits are not "
        "read from it. Default: images are drawn at random. If yes: write train.txt and test.txt in the data set's "
        "folder, with an image's path or name without suffix on each line, and run segnet init again"
    )


_OWN = "the splits are given"


def _sequence(images: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """Return dataset.sequence, its reason, and what is to be asked."""
    for pattern, what in ((_BY_NAME, "what is before the number in a name"), (_BY_FOLDER, "the folder")):
        matches = [re.search(pattern, image) for image in images]
        groups = Counter(match[1] for match in matches if match is not None)
        if all(matches) and _FEWEST <= len(groups) <= len(images) / 2:
            return pattern, f"{what}: {len(groups)} sequences, each of which stays in one split", ()
    question = (
        "Are neighbouring images alike, such as frames of a film? Then let dataset.sequence name what they share, or "
        "test images are too easy. Default: no, each image is on its own"
    )
    return EACH_ALONE, "each image is on its own", (question,)
