"""Which image a mask is of, among those that its name fits: by the folders of both."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath

from pipeline.planning.masks import mask_words
from pipeline.planning.splits import split_words

OF_NNUNET = re.compile(r"(?<=[a-z])(Tr|Ts)$")  # imagesTr, labelsTs: its splits
_OF_IMAGES = re.compile(r"(?i)(jpeg)?(images?|imgs?|rgb|photos?|leftimg8bit|orig(inals?)?|raw|scans?|pictures?)")
_OF_INSTANCES = re.compile(r"(?i)(?<![a-z])(instances?|panoptic)(?![a-z])")

Affix = tuple[str, str]
"""What is left out of an image's name: its start and its end, of which one is empty."""
Candidate = tuple[str, Affix]
"""An image."""


def choose(cores: Mapping[str, str], images: Mapping[str, Sequence[Candidate]]) -> dict[str, Candidate]:
    """Return the image of each mask; none of those whose name fits no image.

    The frames of many sequences have the same names: so folders are compared once for each folder of masks, and an
    image is looked for in the likeliest folders first.

    Args:
        cores: what remains of each mask's name.
        images: by what remains of their names.
    """
    there = {core: _by_folder(images[core]) for core in set(cores.values()) if core in images}
    folders = sorted({folder for each in there.values() for folder in each})
    masks: dict[str, list[str]] = defaultdict(list)
    for mask, core in cores.items():
        if core in there:
            masks[_folder(mask)].append(mask)
    chosen: dict[str, Candidate] = {}
    for folder, own in masks.items():
        ranked = _ranked(folders, folder)
        for mask in own:
            near = there[cores[mask]]
            group = next(group for group in ranked if not near.keys().isdisjoint(group))
            candidates = (each for other in group for each in near.get(other, ()))
            chosen[mask] = max(candidates, key=lambda each: (not any(each[1]), _is_of_images(each[0]), each[0]))
    return chosen


def _by_folder(images: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    by_folder: dict[str, list[Candidate]] = {}
    for image in images:
        by_folder.setdefault(_folder(image[0]), []).append(image)
    return by_folder


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _ranked(folders: Sequence[str], masks: str) -> list[list[str]]:
    """Return the folders of images, those first that are likelier of masks in that folder; as likely ones together."""
    likelihoods = {folder: _likelihood(folder, masks) for folder in folders}
    order = sorted(folders, key=likelihoods.__getitem__, reverse=True)
    return [list(group) for _, group in groupby(order, key=likelihoods.__getitem__)]


def _likelihood(images: str, masks: str) -> tuple[bool, int, int]:
    """Return what is larger for a folder whose images masks in another are more likely of.

    First is whether it is no folder of masks or instances; then how many folders the two have in common, where one that
    begins with the other's name counts as one, and so do rgb_north and gt_north; then how many are named after the same
    split.
    """
    ours, theirs = PurePosixPath(images).parts, PurePosixPath(masks).parts
    same = sum(any(_are_alike(our, their) for their in theirs) for our in ours)
    of_split = sum(any(_of_same_split(our, their) for their in theirs) for our in ours)
    is_of_masks = any(map(mask_words.is_named_after_masks, ours)) and not any(
        map(mask_words.is_named_after_images, ours)
    )
    return not is_of_masks and not any(map(_OF_INSTANCES.search, ours)), same, of_split


def _are_alike(ours: str, theirs: str) -> bool:
    (of_images, _), (of_masks, _) = mask_words.place_and_kind(ours), mask_words.place_and_kind(theirs)
    return theirs.startswith(ours) or (bool(of_images) and of_images == of_masks)


def _is_of_images(path: str) -> bool:
    """Return whether a folder is named as those of images are: images, rgb."""
    return any(_OF_IMAGES.fullmatch(OF_NNUNET.sub("", folder)) for folder in PurePosixPath(path).parent.parts)


def _of_same_split(ours: str, theirs: str) -> bool:
    words = [match and match[1] for match in map(OF_NNUNET.search, (ours, theirs))]
    split = split_words.named_by(ours)
    return (words[0] is not None and words[0] == words[1]) or bool(split and split == split_words.named_by(theirs))
