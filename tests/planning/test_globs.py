import re

import pytest

from pipeline.data.pairing import Pair
from pipeline.planning import globs
from pipeline.planning.families import Family


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
    for ask in (lambda: globs.of(Family(pairs, "", "", "")), lambda: globs.of_images([Pair(f"{named}/a.png", None)])):
        with pytest.raises(ValueError, match=f"{expected} dataset.masks, got {re.escape(named)}; rename it"):
            ask()
