"""Which annotations a pattern of the user's names."""

import pytest

from pipeline.planning import annotated
from pipeline.planning.listing import read
from tests.planning.test_annotated import outlines
from tests.support import layouts


def test_of_several_files_of_annotations_a_pattern_says_which_is_meant(tmp_path):
    layouts.picture(tmp_path / "images/a.png", 1)
    for name in ("new", "old"):
        (tmp_path / f"{name}.json").write_text(outlines("images/a.png"))
    refusal = (
        r"got those of images/a.png in new.json and old.json; narrow dataset.masks, or say which by --masks of seg"
    )
    with pytest.raises(ValueError, match=refusal):
        annotated.find(read(tmp_path))
    found = annotated.find(annotated.named_by(read(tmp_path), "o*.json"))
    assert found is not None
    assert (found.kind, found.masks) == ("coco", "old.json")


def test_a_pattern_that_names_masks_names_no_annotations(tmp_path):
    root = tmp_path / "own"
    layouts.yolo(root)
    listing = read(root)
    assert annotated.named_by(listing, None) == listing
    layouts.picture(root / "labels/train/a.png", 1)
    assert annotated.find(annotated.named_by(read(root), "labels")) is None
    (root / "labels/train/a.png").unlink()
    found = annotated.find(annotated.named_by(read(root), "labels"))
    assert found is not None
    assert found.kind == "yolo"
    assert annotated.find(annotated.named_by(read(root), "images")) is None
