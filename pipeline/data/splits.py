"""Assigning a user's images to train, val and test."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from pipeline.data import pairing, split_lists
from pipeline.data.pairing import Pair

Assignment = dict[str, Collection[Pair]]  # by split, of those that there are


def by_folder(pairs: Collection[Pair], folders: Mapping[str, str]) -> Assignment:
    """Assign each image to the split whose folder, such as train or set1/train, is part of its path.

    Raises:
        ValueError: the path of an image contains none of the folders, or more than one.
    """
    split_of = []
    for pair in pairs:
        matching = [split for split, name in folders.items() if f"/{name.strip('/')}/" in f"/{pair.path}"]
        if len(matching) != 1:
            raise ValueError(
                f"expected one of the folders {', '.join(folders.values())} in the path {pair.path}, got "
                f"{len(matching) or 'none'}; correct dataset.splits, or narrow dataset.images and dataset.masks"
            )
        split_of.append(matching[0])
    return _dealt(pairs, split_of, folders)


def by_list(pairs: Collection[Pair] | None, root: Path, lists: Mapping[str, str]) -> Assignment:
    """Assign the images named in list files, in UTF-8 with one image per line; images in no list are left out.

    A path may name an image that does not exist: it becomes a pair without a mask. A list all of whose lines do is
    written in another way.

    Args:
        pairs: the pairs below `root`; None: each line names an image and its mask.
        root: the data set's folder, which paths and list files are relative to.
        lists: list file of each split; or a folder with / at its end, or a file of annotations, which stands for the
            images in it.

    Raises:
        ValueError: a list cannot be read, repeats a path, has one that leaves the folder, names none of the images, or
            has a stem that several images have; a folder has none of the images.
    """
    named = {split: _named(pairs, root, split, file) for split, file in lists.items()}
    if pairs is None:
        return {split: split_lists.pairs(root, lists[split], lines) for split, lines in named.items()}
    paths = {split: split_lists.paths(root, lists[split], lines) for split, lines in named.items()}
    return {split: split_lists.images(pairs, root, lists[split], listed) for split, listed in paths.items()}


def _named(pairs: Collection[Pair] | None, root: Path, split: str, file: str) -> list[str]:
    """Return the images in a folder, those that a file of annotations names, or the lines of a list."""
    if file.endswith("/"):
        return _in_folder(pairs, split, file)
    annotated = [pair.image for pair in pairs or () if pair.image is not None and pair.mask == file]
    return annotated or split_lists.lines(root, split, file)


def _in_folder(pairs: Collection[Pair] | None, split: str, folder: str) -> list[str]:
    """Return the paths of the images in a folder, at any depth.

    Raises:
        ValueError: there are none.
    """
    within = [pair.image for pair in pairs or () if pair.image is not None and pair.image.startswith(folder)]
    if not within:
        raise ValueError(
            f"dataset.splits.{split}: expected a folder with some of the images of dataset.images, got {folder}; "
            "correct it, or name a list, without / at its end"
        )
    return within


def by_ratio(
    pairs: Collection[Pair],
    sequences: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    *,
    is_usable: Sequence[bool] | None = None,
) -> Assignment:
    """Assign entire sequences, so that the splits' shares of the images come close to `shares`.

    In an order determined by `seed`, each sequence goes to the split that lacks the most images; the last ones go to
    splits that are still empty. The order of the images does not matter. Where some images are usable, only they count,
    and a sequence without any is in the first split.

    Args:
        pairs: the images.
        sequences: sequence of each image.
        shares: fraction of the images for each split; they add up to 1.
        seed: determines which sequence goes where.
        is_usable: whether each image has a mask; None: all have.

    Raises:
        ValueError: there are fewer sequences than splits.
    """
    counted = is_usable if is_usable is not None and any(is_usable) else [True] * len(sequences)
    sizes = Counter(compress(sequences, counted))
    if len(sizes) < len(shares):
        raise ValueError(
            f"expected at least {len(shares)} sequences, one for each split, got {', '.join(sorted(sizes))}; change "
            f"dataset.sequence, or split by folder or list"
        )
    names = sorted(sizes)
    lacking = {split: shares[split] * sizes.total() for split in shares}
    empty = list(shares)
    split_of = {}
    for rank, i in enumerate(np.random.default_rng(seed).permutation(len(names))):
        open_splits = empty if len(names) - rank <= len(empty) else list(shares)
        split = max(open_splits, key=lacking.__getitem__)
        split_of[names[i]] = split
        lacking[split] -= sizes[names[i]]
        if split in empty:
            empty.remove(split)
    first = next(iter(shares))
    return _dealt(pairs, [split_of.get(sequence, first) for sequence in sequences], shares)


def _dealt(pairs: Collection[Pair], split_of: Sequence[str], splits: Iterable[str]) -> Assignment:
    """Return the pairs of each split, in their order."""
    return {
        split: pairing.kept(pair for pair, its in zip(pairs, split_of, strict=True) if its == split) for split in splits
    }
