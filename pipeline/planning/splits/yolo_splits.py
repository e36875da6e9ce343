"""The splits that YOLO's data.yaml names by folders, such as val: images/2022."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import PurePosixPath

from pipeline.planning.listing import Listing
from pipeline.planning.names import class_names

_SPLITS = ("train", "val", "test")


def of_images(listing: Listing, images: Sequence[str]) -> dict[str, str]:
    """Return the folder of each split, with / at its end, by a file that names one for train and one for another.

    Nothing if one is named in another way than by a folder of pictures, one is within another, or an image is in none.
    Folders without any of the images are left out, such as one of test images without labels.

    Args:
        listing: the files of the data set.
        images: paths of the images that have masks or annotations.
    """
    for path, tree in _files(listing):
        found = {split: _folder(listing, path, tree, str(tree[split])) for split in _SPLITS if tree.get(split)}
        folders = {split: each for split, each in found.items() if any(image.startswith(each) for image in images)}
        is_apart = not any(one.startswith(other) for one, other in permutations(folders.values(), 2))
        within = all(image.startswith(tuple(folders.values())) for image in images)
        if all(found.values()) and "train" in folders and len(folders) > 1 and is_apart and within:
            return folders
    return {}


def unread(listing: Listing) -> list[str]:
    """Return the files that name train and another split, which is not the same."""
    return [path for path, _ in _files(listing)]


def _files(listing: Listing) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the files of YAML that have names of classes and two splits that differ, and what they hold."""
    for path, tree in class_names.yaml_mappings(listing):
        if "names" not in tree or not tree.get("train"):
            continue
        if any(tree.get(split) not in (None, "", tree["train"]) for split in ("val", "test")):
            yield path, tree


def _folder(listing: Listing, path: str, tree: Mapping[str, object], text: str) -> str:
    """Return the folder of pictures that a text means, relative to `path` of the file or to the file; "" if none."""
    parent = str(PurePosixPath(path).parent)
    below = re.sub(r"^(\.\./)+", "", text)  # Roboflow's ../train/images is train/images
    places = (f"{parent}/{tree.get('path') or '.'}/{text}", f"{parent}/{text}", f"{parent}/{below}")
    folders = (f"{os.path.normpath(place)}/" for place in places)
    return next((each for each in folders if any(path.startswith(each) for path in listing.pictures)), "")
