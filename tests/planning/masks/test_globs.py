import re

import pytest

from pipeline.data.pairing import Pair
from pipeline.planning.masks import globs
from pipeline.planning.masks.families import Family


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"a": "xa", "b": "xb"}, ("{a,b}/*.png", "x{a,b}/*.png")),
        ({"a": "a_mask", "b": "b_mask"}, ("{a,b}/*.png", "{a,b}_mask/*.png")),
        ({"a": "m", "b": "m"}, None),
    ],
)
def test_folders_of_masks_are_named_after_those_of_images(names, expected):
    family = Family(tuple(Pair(f"{ours}/1.png", f"{theirs}/1.png") for ours, theirs in names.items()))
    if expected is None:
        with pytest.raises(ValueError, match="expected one rule for the folders of images and masks, got a with m and"):
            globs.of(family)
    else:
        assert globs.of(family) == expected


@pytest.mark.parametrize(
    ("images", "masks", "found", "named"),
    [
        ("images [raw]", "masks", "[ ]", "images [raw]"),
        ("images", "masks {v1}", "{ }", "masks {v1}"),
        ("images", "masks/what?", "?", "masks/what?"),
        ("*", "masks", "*", "*"),
    ],
)
def test_a_folder_whose_name_globs_would_read_otherwise_is_refused(images, masks, found, named):
    pairs = tuple(Pair(f"{images}/{name}.png", f"{masks}/{name}.png") for name in "ab")
    expected = re.escape(f"expected names of folders without {found}, which have a meaning in dataset.images and")
    for ask in (lambda: globs.of(Family(pairs)), lambda: globs.of_images([Pair(f"{named}/a.png", None)])):
        with pytest.raises(ValueError, match=f"{expected} dataset.masks, got {re.escape(named)}; rename it"):
            ask()
