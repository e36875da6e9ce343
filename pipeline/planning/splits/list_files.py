"""Lists of a data set that say its splits: files named after splits, or one file with keys that are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

from pipeline.data import split_document, split_lists
from pipeline.data.pairing import Pair
from pipeline.planning.listing import Listing
from pipeline.planning.splits.split_words import WORDS, split_of_folder, split_of_list

_DOCUMENT = re.compile(r"(?i).*(split|train|val|test|partition|subset).*")
MOST_BYTES = 5_000_000  # of a file of splits; annotations are larger, and take long to read
_MOST = 0.9  # of lines or images: nearly all
_FOLD = "0."  # what the keys of nnU-Net's first fold begin with


@dataclass(frozen=True)
class _Lists:
    """Lists that belong together, one for each split, and what they say."""

    paths: Mapping[str, str]
    without: tuple[str, ...]
    """Those none of whose lines is an image with a mask."""
    num_lines: int
    splits_of: Mapping[str, frozenset[str]]
    """Of each image that is named, its split; several if it is in several lists."""

    def agreement(self, num_images: int) -> float:
        """Return the share of lines and images that belong to each other, of the lines and `num_images` images."""
        return 2 * len(self.splits_of) / (self.num_lines + num_images)


def of_images(listing: Listing, pairs: Sequence[Pair]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the list of each split, of the lists that belong together those that fit the pairs best.

    They name the most images, and the fewest that are none. A list without any pair is left out, such as Pascal VOC's
    test.txt. Lists that have an image in two splits are none: validation would stop at it. What is wrong, or could be
    meant otherwise, is returned as questions.
    """
    names = split_lists.Names(pairs)
    read = (_read(listing, lists, names) for lists in [*_list_files(listing), *_documents(listing)])
    found = [each for each in read if each is not None]
    if not found:
        return {}, ()
    best = max(found, key=lambda each: each.agreement(len(pairs)))
    if len(best.paths) == 1:
        return {}, _left_out(best.without, f"{best.paths['train']} is not used either, and images are split at random")
    if question := _overlap(best):
        return {}, (question,)
    lists = _with_test_folder(best.paths, pairs)
    return lists, (*_left_out(best.without), *_others(best, found), *_unnamed(best, lists, pairs))


def _read(listing: Listing, lists: Mapping[str, str], names: split_lists.Names) -> _Lists | None:
    """Return what lists say; None: they are not of images, lack one of train, or a line may mean several images."""
    found = {split: [*map(names.find, _lines(listing, split, path))] for split, path in lists.items()}
    used, without = _apart(lists, [split for split, each in found.items() if any(each)])
    if "train" not in used or len(lists) == 1 or any(len(each) > 1 for each in chain.from_iterable(found.values())):
        return None
    splits_of: dict[str, frozenset[str]] = {}
    for split, listed in found.items():
        for image in (str(pair.image) for each in listed for pair in each):
            splits_of[image] = splits_of.get(image, frozenset()) | {split}
    return _Lists(used, tuple(without), sum(map(len, found.values())), splits_of)


def _others(best: _Lists, found: Sequence[_Lists]) -> tuple[str, ...]:
    """Return a question about lists whose lines are images too, and that say other splits; nothing if none do."""
    others = [
        each
        for each in found
        if each.splits_of != best.splits_of and len(each.paths) > 1 and len(each.splits_of) >= _MOST * each.num_lines
    ]
    if not others:
        return ()
    most = max(others, key=lambda each: len(each.splits_of))
    return (
        f"Are {_shown(best.paths)} the lists that are meant? Default: yes, they name {len(best.splits_of)} images; "
        f"{_shown(most.paths)} name {len(most.splits_of)}. If those are: name them as dataset.splits",
    )


def _unnamed(best: _Lists, lists: Mapping[str, str], pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return a question where lists name far from all images that have masks."""
    folders = tuple(path for path in lists.values() if path.endswith("/"))
    images = {str(pair.image) for pair in pairs}
    num_left = sum(image not in best.splits_of and not image.startswith(folders) for image in images)
    if len(images) - num_left >= _MOST * len(images):
        return ()
    return (
        f"Are {num_left} of the {len(images)} images that have masks to be left out, as the data set's lists "
        f"({_shown(lists)}) do not name them? Default: yes. If the lines mean something else, such as patients: write "
        "an image's path or name without suffix on each line, and run segnet init again",
    )


def of_pairs(listing: Listing) -> tuple[dict[str, str], list[Pair], tuple[str, ...]]:
    """Return lists each line of which is an image and its mask, these pairs, and what is to be asked.

    Of several that belong together, those with the most pairs are taken. A list without any such line is left out, such
    as one of test images alone. Nothing is returned without lists.
    """
    found: list[tuple[_Lists, list[Pair]]] = []
    for lists in _list_files(listing):
        lines = {split: _lines(listing, split, path) for split, path in lists.items()}
        used, without = _apart(lists, [split for split, each in lines.items() if any(_pairs(listing, x) for x in each)])
        of_split = {split: _pairs(listing, *lines[split]) for split in used}
        if "train" in used and len(used) > 1 and all(of_split.values()):
            splits_of = {str(pair.image): frozenset([split]) for split, each in of_split.items() for pair in each}
            pairs = [*chain.from_iterable(of_split.values())]
            found.append((_Lists(used, tuple(without), len(pairs), splits_of), pairs))
    if not found:
        return {}, [], ()
    best, pairs = max(found, key=lambda each: len(each[1]))
    asked = (*_left_out(best.without), *_others(best, [each for each, _ in found]))
    return dict(best.paths), pairs, asked


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


def _with_test_folder(lists: Mapping[str, str], pairs: Sequence[Pair]) -> dict[str, str]:
    """Add the folder of the test images to the lists of a fold, which has none of these: nnU-Net's imagesTs."""
    images = [str(pair.image) for pair in pairs]
    folders = {split[1] for image in images if (split := split_of_folder(image)) is not None and split[0] == "test"}
    top = {f"{folder}/" for folder in folders if any(image.startswith(f"{folder}/") for image in images)}
    return {**lists, "test": top.pop()} if is_fold(lists) and len(top) == 1 else dict(lists)


def is_fold(lists: Mapping[str, str]) -> bool:
    """Return whether lists are those of nnU-Net's first fold."""
    return f"#{_FOLD}" in lists.get("train", "")


def _of_nnunet(listing: Listing) -> list[str]:
    """Return nnU-Net's own file of folds, relative to the data set, where nnU-Net keeps it: outside the raw images."""
    name = listing.root.resolve().name
    paths = (f"{up}/nnUNet_preprocessed/{name}/splits_final.json" for up in ("..", "../.."))
    return [path for path in paths if (listing.root / path).is_file()]


def _overlap(lists: _Lists) -> str:
    """Return what is to be asked about images that several lists have; "" if there are none."""
    twice = {image: " and ".join(sorted(splits)) for image, splits in lists.splits_of.items() if len(splits) > 1}
    if not twice:
        return ""
    image = min(twice)
    more = f" and {len(twice) - 1} more image{'s' if len(twice) > 2 else ''}" if len(twice) > 1 else ""
    where = "where do they belong" if more else "where does it belong"
    return (
        f"The data set's lists ({_shown(lists.paths)}) have {image} in {twice[image]}{more}: {where}? Default: these "
        "lists are not used, and images are split at random. To use them, name corrected copies as dataset.splits"
    )


def _shown(lists: Mapping[str, str]) -> str:
    return ", ".join(f"{split}: {path}" for split, path in lists.items())


def _list_files(listing: Listing) -> list[dict[str, str]]:
    """Return the text files that are named after splits, those of one folder and with the same other words together."""
    lists: dict[tuple[str, str], dict[str, str]] = {}
    for path in listing.named(".txt", ".lst"):
        if (named := split_of_list(PurePosixPath(path).stem)) is not None:
            split, others = named
            lists.setdefault((str(PurePosixPath(path).parent), others), {})[split] = path
    return [{split: each[split] for split in WORDS if split in each} for each in lists.values()]


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
        return [str(PurePosixPath(line)) for line in split_lists.lines(listing.root, split, path)]  # ./a.png is a.png
    except ValueError:
        return []
