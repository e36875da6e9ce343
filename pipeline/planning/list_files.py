"""Lists of a data set that say its splits: files named after splits, or one file with keys that are."""

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import PurePosixPath

from pipeline.data import split_document, split_lists
from pipeline.data.pairing import Pair
from pipeline.planning.listing import Listing
from pipeline.planning.split_words import WORDS, split_of_folder

_DOCUMENT = re.compile(r"(?i).*(split|train|val|test|partition|subset).*")
MOST_BYTES = 5_000_000  # of a file of splits; annotations are larger, and take long to read
_FOLD = "0."  # what the keys of nnU-Net's first fold begin with


def of_images(listing: Listing, pairs: Sequence[Pair]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the list of each split, of the lists that belong together those with the fewest names of no pair.

    A list without any pair is left out, such as Pascal VOC's test.txt. Lists that have an image in two splits are none:
    validation would stop at it. What is wrong is returned as questions.
    """
    names = split_lists.Names(pairs)
    best: tuple[float, dict[str, str], list[str]] = (0.0, {}, [])
    for lists in [*_list_files(listing), *_documents(listing)]:
        found = {split: [*map(names.find, _lines(listing, split, path))] for split, path in lists.items()}
        used, without = _apart(lists, [split for split, each in found.items() if any(each)])
        if "train" in used and len(lists) > 1:
            share = sum(map(bool, chain.from_iterable(found.values()))) / sum(map(len, found.values()))
            best = max(best, (share, used, without), key=lambda each: each[0])
    _, used, without = best
    if len(used) == 1:
        return {}, _left_out(without, f"{used['train']} is not used either, and images are split at random")
    question = _overlap(listing, used, names)
    return ({}, (question,)) if question else (_with_test_folder(used, pairs), _left_out(without))


def of_pairs(listing: Listing) -> tuple[dict[str, str], list[Pair], tuple[str, ...]]:
    """Return lists each line of which is an image and its mask, these pairs, and what is to be asked.

    A list without any such line is left out, such as one of test images alone. Nothing is returned without lists.
    """
    for lists in _list_files(listing):
        lines = {split: _lines(listing, split, path) for split, path in lists.items()}
        used, without = _apart(lists, [split for split, each in lines.items() if any(_pairs(listing, x) for x in each)])
        pairs = [_pairs(listing, *lines[split]) for split in used]
        if "train" in used and len(used) > 1 and all(pairs):
            return used, [*chain.from_iterable(pairs)], _left_out(without)
    return {}, [], ()


def _pairs(listing: Listing, *lines: str) -> list[Pair]:
    """Return the image and the mask of each line; nothing if a line is something else."""
    try:
        return split_lists.pairs(listing.root, "", lines)
    except ValueError:
        return []


def _apart(lists: Mapping[str, str], splits: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the lists of these splits, and the other lists."""
    others = [path for split, path in lists.items() if split not in splits]
    return {split: lists[split] for split in splits}, others


def _left_out(lists: Sequence[str], what: str = "left out") -> tuple[str, ...]:
    return (f"No line of {' or '.join(lists)} is an image with a mask. Default: {what}",) if lists else ()


def _with_test_folder(lists: dict[str, str], pairs: Sequence[Pair]) -> dict[str, str]:
    """Add the folder of the test images to the lists of a fold, which has none of these: nnU-Net's imagesTs."""
    images = [str(pair.image) for pair in pairs]
    folders = {split[1] for image in images if (split := split_of_folder(image)) is not None and split[0] == "test"}
    top = {f"{folder}/" for folder in folders if any(image.startswith(f"{folder}/") for image in images)}
    return {**lists, "test": top.pop()} if is_fold(lists) and len(top) == 1 else lists


def is_fold(lists: Mapping[str, str]) -> bool:
    """Return whether lists are those of nnU-Net's first fold."""
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
