import os
import subprocess
import sys

import pytest

from pipeline.data import pairing
from pipeline.data.pairing import Pair


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def find(root, images, masks):
    return list(pairing.find(root, images, masks))


def test_equal_wildcard_text_makes_a_pair(tmp_path):
    make(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a_label.png", "masks/b_label.png")

    assert find(tmp_path, "images/*.jpg", "masks/*_label.png") == [
        Pair("images/a.jpg", "masks/a_label.png"),
        Pair("images/b.jpg", "masks/b_label.png"),
    ]


def test_all_wildcards_must_match_the_same_text(tmp_path):
    make(tmp_path, "left/ulm/1_left.png", "left/bonn/1_left.png", "gt/ulm/1_gt.png", "gt/bonn/1_gt.png")

    assert find(tmp_path, "left/*/*_left.png", "gt/*/*_gt.png") == [
        Pair("left/bonn/1_left.png", "gt/bonn/1_gt.png"),
        Pair("left/ulm/1_left.png", "gt/ulm/1_gt.png"),
    ]


def test_two_stars_stand_for_any_number_of_folders(tmp_path):
    make(tmp_path, "images/a.jpg", "images/x/y/a.jpg", "masks/a.png", "masks/x/y/a.png")

    assert find(tmp_path, "images/**/*.jpg", "masks/**/*.png") == [
        Pair("images/a.jpg", "masks/a.png"),
        Pair("images/x/y/a.jpg", "masks/x/y/a.png"),
    ]


@pytest.mark.parametrize(
    ("images", "masks"),
    [("images/*", "masks/*"), ("images/*.*", "masks/*.png"), ("./images//*.[jt]*", "masks/*")],
)
def test_suffixes_do_not_count(tmp_path, images, masks):
    make(tmp_path, "images/a.v1.jpg", "images/b.tif", "masks/a.v1.png", "masks/b.png")

    assert find(tmp_path, images, masks) == [
        Pair("images/a.v1.jpg", "masks/a.v1.png"),
        Pair("images/b.tif", "masks/b.png"),
    ]


def test_a_question_mark_and_a_set_are_wildcards_too(tmp_path):
    make(tmp_path, "i1a.png", "i2b.png", "i3c.png", "m1a.png", "m2b.png")

    assert find(tmp_path, "i?[!c].png", "m?[!c].png") == [
        Pair("i1a.png", "m1a.png"),
        Pair("i2b.png", "m2b.png"),
    ]


def test_a_file_that_the_masks_match_is_no_image(tmp_path):
    make(tmp_path, "a.png", "a_mask.png")

    assert find(tmp_path, "*.png", "*_mask.png") == [Pair("a.png", "a_mask.png")]


def test_an_image_or_mask_that_is_alone_is_kept(tmp_path):
    make(tmp_path, "images/a.png", "images/b.png", "masks/b.png", "masks/c.png")

    assert find(tmp_path, "images/*.png", "masks/*.png") == [
        Pair("images/a.png", None),
        Pair("images/b.png", "masks/b.png"),
        Pair(None, "masks/c.png"),
    ]


def test_hidden_files_are_skipped(tmp_path):
    make(tmp_path, "images/a.png", "images/._a.png", "masks/a.png")

    assert find(tmp_path, "images/*.png", "masks/*.png") == [Pair("images/a.png", "masks/a.png")]


@pytest.mark.parametrize("pattern", ["../*.png", "images/../../*.png", "/etc/*.png"])
def test_a_glob_that_leaves_the_folder_is_refused(tmp_path, pattern):
    make(tmp_path, "masks/a.png")

    with pytest.raises(ValueError, match=r"expected dataset.images to stay below dataset.path, got .*png; change"):
        find(tmp_path, pattern, "masks/*.png")


def test_a_glob_that_matches_nothing_is_an_error(tmp_path):
    make(tmp_path, "images/a.png")

    with pytest.raises(ValueError, match=r"expected files that dataset.masks matches, got none for masks/\*.png"):
        find(tmp_path, "images/*.png", "masks/*.png")


def test_images_that_are_all_masks_are_an_error(tmp_path):
    make(tmp_path, "a.png", "a_mask.png")

    with pytest.raises(
        ValueError, match=r"images that dataset.images \*_mask.png matches and dataset.masks \*.png does"
    ):
        find(tmp_path, "*_mask.png", "*.png")


@pytest.mark.parametrize(("images", "masks"), [("i/*/*.png", "m/*.png"), ("i/x/a.png", "m/a.png")])
def test_globs_of_different_or_no_wildcards_are_refused(tmp_path, images, masks):
    make(tmp_path, "i/x/a.png", "m/a.png")

    with pytest.raises(
        ValueError, match=r"expected one or more wildcards, as many in dataset.images as in dataset.masks"
    ):
        find(tmp_path, images, masks)


def test_two_images_for_one_mask_are_refused(tmp_path):
    make(tmp_path, "images/a.jpg", "images/a.png", "masks/a.png")

    with pytest.raises(ValueError, match=r"one file for each pair, got images/a.jpg and images/a.png; narrow the glob"):
        find(tmp_path, "images/*", "masks/*")


def test_a_glob_that_ends_in_a_part_of_a_suffix_is_refused(tmp_path):
    make(tmp_path, "images/a.png", "masks/a.png")

    with pytest.raises(ValueError, match=r"a glob that ends in a suffix or \*, got images/\*g for images/a.png; add"):
        find(tmp_path, "images/*g", "masks/*g")


def test_a_file_name_that_is_not_utf_8_is_refused(tmp_path):
    make(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "images" / os.fsdecode(b"gr\xfcn.png")).touch()

    with pytest.raises(ValueError, match=r"expected file names in UTF-8, got 'images/gr.*n.png' in .*; rename it"):
        find(tmp_path, "images/*.png", "masks/*.png")


def test_a_suffix_matches_in_any_case(tmp_path):
    for path in (
        "images/a.PNG",
        "images/b.png",
        "images/c.Png",
        "images/d.jpg",
        "masks/a.png",
        "masks/b.PNG",
        "masks/c.png",
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    pairs = find(tmp_path, "images/*.png", "masks/*.png")
    assert [(pair.image, pair.mask) for pair in pairs] == [
        ("images/a.PNG", "masks/a.png"),
        ("images/b.png", "masks/b.PNG"),
        ("images/c.Png", "masks/c.png"),
    ]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (
            "images/\0/*.png",
            r"expected a glob as dataset.images, got 'images/\\x00/\*.png': embedded null byte; correct",
        ),
        ("images/" + "x" * 300 + "/a*", "expected files that dataset.images matches, got none for images/x+/a"),
        (
            "images/[!z-a].png",
            r"expected a glob, got images/\[!z-a\].png: bad character range z-a.*; correct what is in",
        ),
    ],
)
def test_what_is_no_glob_is_refused(tmp_path, pattern, reason):
    make(tmp_path, "images/a.png", "masks/a.png")

    with pytest.raises(ValueError, match=reason):
        find(tmp_path, pattern, "masks/*.png")


def test_words_in_braces_are_a_wildcard_and_leave_other_folders_out(tmp_path):
    make(tmp_path, "train/a.png", "trainannot/a.png", "val/a.png", "valannot/a.png", "test/a.png", "testannot/a.png")

    assert find(tmp_path, "{train,val}/*.png", "{train,val}annot/*.png") == [
        Pair("train/a.png", "trainannot/a.png"),
        Pair("val/a.png", "valannot/a.png"),
    ]


def test_braces_that_stand_for_thousands_of_globs_are_refused(tmp_path):
    many = "{a,b,c,d}" * 6
    with pytest.raises(ValueError, match=r"expected at most 1000 alternatives in braces, got .*; use [*] in place of"):
        find(make(tmp_path, "a"), many, many)


@pytest.mark.parametrize("masks", ["../labels/*.png", "{}/labels/*.png"])
def test_masks_may_lie_elsewhere(tmp_path, masks):
    make(tmp_path, "photos/a.jpg", "labels/a.png")
    masks = masks.format(tmp_path)

    assert find(tmp_path / "photos", "*.jpg", masks) == [Pair("a.jpg", masks.replace("*", "a"))]


MEASURED = """
import sys, tracemalloc
from pathlib import Path
import pyarrow as pa
from pipeline.data import pairing
root = Path(sys.argv[1])
pairing.find(root, "images/00/*.png", "masks/00/*.png")  # what is imported at first does not count
before = pa.total_allocated_bytes()
tracemalloc.start()
pairs = pairing.find(root, "images/*/*.png", "masks/*/*.png")
print(len(pairs), pa.total_allocated_bytes() - before, tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.slow
def test_many_pairs_are_found_and_kept_in_the_memory_of_their_letters(tmp_path):
    names = [f"{folder:02d}/{number:08d}.png" for folder in range(16) for number in range(1000)]
    make(tmp_path, "a", *(f"{kind}/{folder:02d}/x" for kind in ("images", "masks") for folder in range(16)))
    for kind in ("images", "masks"):
        for name in names:
            os.link(tmp_path / "a", tmp_path / kind / name)  # faster than a file
    # In a process of its own: texts that pathlib interns enlarge a table by as much as other tests have filled it.
    process = subprocess.run([sys.executable, "-c", MEASURED, tmp_path], check=True, capture_output=True, text=True)
    count, kept, peak = map(int, process.stdout.split())
    assert find(tmp_path, "images/*/*.png", "masks/*/*.png") == [
        Pair(f"images/{name}", f"masks/{name}") for name in names
    ]
    assert count == 16_000
    # Paths of 22 and 21 letters, an offset of 8 bytes each; as objects, they took 11.6 MB at the peak.
    assert 16_000 * (22 + 21) < kept < 16_000 * 100
    assert peak < 8_000_000
