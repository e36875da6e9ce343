"""Assigning a user's images to train, val and test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.artifacts.manifest import SPLITS
from pipeline.data.pairing import Pair

Assignment = dict[str, list[Pair]]  # by split


def by_folder(pairs: Sequence[Pair], folders: Mapping[str, str]) -> Assignment:
    """Assign each image to the split whose folder, such as train or set1/train, is part of its path.

    Raises:
        ValueError: the path of an image contains none of the folders, or more than one.
    """
    assigned: Assignment = {split: [] for split in SPLITS}
    for pair in pairs:
        matching = [split for split in SPLITS if f"/{folders[split].strip('/')}/" in f"/{pair.path}"]
        if len(matching) != 1:
            raise ValueError(
                f"expected one of the folders {', '.join(folders.values())} in the path {pair.path}, got "
                f"{len(matching) or 'none'}; correct dataset.splits, or narrow dataset.images and dataset.masks"
            )
        assigned[matching[0]].append(pair)
    return assigned


def by_list(pairs: Sequence[Pair], root: Path, lists: Mapping[str, str]) -> Assignment:
    """Assign the images named in list files, in UTF-8 with one path per line; images in no list are left out.

    A path may name an image that does not exist: it becomes a pair without a mask. A list all of whose lines do is
    written in another way: stems, or an image and its mask on each line.

    Args:
        pairs: the pairs below `root`.
        root: the data set's folder, which paths and list files are relative to.
        lists: list file of each split.

    Raises:
        ValueError: a list cannot be read, repeats a path, has one that leaves the folder, or names none of the images.
    """
    by_image = {pair.image: pair for pair in pairs}
    assigned: Assignment = {}
    for split in SPLITS:
        try:
            lines = (root / lists[split]).read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise ValueError(f"dataset.splits.{split}: expected a readable UTF-8 list file: {err}") from err
        paths = [str(PurePosixPath(line.strip())) for line in lines if line.strip()]
        for path, count in Counter(paths).items():
            if path == "." or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"{lists[split]}: expected paths below {root}, got {path}; make it relative to it")
            if count > 1:
                raise ValueError(f"{lists[split]}: expected each image once, got {path} {count} times; remove one")
        assigned[split] = [by_image.get(path, Pair(path, None)) for path in paths]
    for split, listed in assigned.items():
        if listed and by_image.keys().isdisjoint(pair.image for pair in listed):
            example = min((image for image in by_image if image is not None), default="none")
            raise ValueError(
                f"{lists[split]}: expected on each line the path of an image that dataset.images matches, relative to "
                f"{root} and with its suffix, such as {example}, got {listed[0].path[:200]!r}, and no line is one; "
                "correct the list or dataset.images"
            )
    return assigned


def by_ratio(pairs: Sequence[Pair], sequences: Sequence[str], shares: Mapping[str, float], seed: int) -> Assignment:
    """Assign entire sequences, so that the splits' shares of the images come close to `shares`.

    In an order determined by `seed`, each sequence goes to the split that lacks the most images; the last ones go to
    splits that are still empty. The order of the images does not matter.

    Args:
        pairs: the images.
        sequences: sequence of each image.
        shares: fraction of the images for each split; they add up to 1.
        seed: determines which sequence goes where.

    Raises:
        ValueError: there are fewer sequences than splits.
    """
    sizes = Counter(sequences)
    if len(sizes) < len(SPLITS):
        raise ValueError(
            f"expected at least {len(SPLITS)} sequences, one for each split, got {', '.join(sorted(sizes))}; change "
            f"dataset.sequence, or split by folder or list"
        )
    names = sorted(sizes)
    lacking = {split: shares[split] * len(pairs) for split in SPLITS}
    empty = list(SPLITS)
    split_of = {}
    for rank, i in enumerate(np.random.default_rng(seed).permutation(len(names))):
        open_splits = empty if len(names) - rank <= len(empty) else SPLITS
        split = max(open_splits, key=lacking.__getitem__)
        split_of[names[i]] = split
        lacking[split] -= sizes[names[i]]
        if split in empty:
            empty.remove(split)
    return {split: [p for p, s in zip(pairs, sequences, strict=True) if split_of[s] == split] for split in SPLITS}
