"""Images and masks whose names, or whose folders, say more than what they are."""

import unicodedata

import pytest

from pipeline.data import pairing
from pipeline.data.pairing import Pair
from pipeline.planning.masks import families, globs

PLACES = [
    ("rgb_north", "gt_north", "rgb_south", "gt_south"),
    ("left", "mask_left", "right", "mask_right"),
    ("images_day1", "masks_day1", "images_day10", "masks_day10"),
    ("img1", "mask1", "img2", "mask2"),
    ("NorthImages", "NorthMasks", "SouthImages", "SouthMasks"),
    ("a/photos_7", "a/labels_7", "a/photos_8", "a/labels_8"),
]


@pytest.mark.parametrize("folders", PLACES, ids=lambda folders: folders[0])
def test_frames_of_the_same_names_are_paired_within_their_place(folders):
    ours, theirs = folders[::2], folders[1::2]
    pictures = [f"{folder}/{frame:04}.png" for folder in folders for frame in range(3)]
    found = families.find(pictures)
    expected = {
        (f"{ours[place]}/{frame:04}.png", f"{theirs[place]}/{frame:04}.png") for place in range(2) for frame in range(3)
    }
    assert {(pair.image, pair.mask) for family in found for pair in family.pairs} == expected


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (PLACES[0], ("rgb_{north,south}/*.png", "gt_{north,south}/*.png")),
        (PLACES[1], ("{left,right}/*.png", "mask_{left,right}/*.png")),
        (PLACES[2], ("images_day{1,10}/*.png", "masks_day{1,10}/*.png")),
        (PLACES[3], ("img{1,2}/*.png", "mask{1,2}/*.png")),
        (PLACES[4], ("{North,South}Images/*.png", "{North,South}Masks/*.png")),
        (PLACES[5], ("a/photos_{7,8}/*.png", "a/labels_{7,8}/*.png")),
    ],
)
def test_the_masks_of_all_places_are_of_one_kind(folders, expected):
    (family,) = families.find([f"{folder}/{frame:04}.png" for folder in folders for frame in range(3)])
    assert globs.of(family) == expected


def test_folders_of_masks_that_no_images_are_named_after_are_kinds_of_their_own():
    kinds = ("masks_expert1", "masks_expert2")
    found = families.find([f"{folder}/{frame}.png" for folder in ("images", *kinds) for frame in range(3)])
    assert [family.pairs[0].mask for family in found] == ["masks_expert1/0.png", "masks_expert2/0.png"]


@pytest.mark.parametrize(
    "names",
    [
        ("left/0001_L", "right/0001_R"),
        ("0001_L_CC", "0001_L_MLO", "0001_R_CC"),
        ("face_mask_3", "street_4"),
        ("0001_label_2", "0002"),
        ("gt_racer_1", "gt_racer_2"),
    ],
)
@pytest.mark.parametrize(
    ("images", "masks", "end"),
    [("images", "masks", ""), ("a/photos", "a/gt", ""), (".", "labels", ""), ("images", "masks", "_mask")],
)
def test_an_image_whose_name_has_a_word_of_masks_is_no_mask_where_a_folder_has_its_mask(names, images, masks, end):
    expected = {(f"{images}/{name}.jpg".removeprefix("./"), f"{masks}/{name}{end}.png") for name in names}
    (family, *_) = families.find([path for pair in expected for path in pair])
    assert {(pair.image, pair.mask) for pair in family.pairs} == expected


@pytest.mark.parametrize("written", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_an_accented_letter_is_the_same_however_it_is_written(tmp_path, written):
    names = [unicodedata.normalize(form, "Gr\u00fcn\u00e9") for form in written]
    paths = [f"images/{names[0]}.jpg", f"masks/{names[1]}_gt.png"]
    for path in paths:
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    (family,) = families.find(paths)
    assert family.pairs == (Pair(*paths),)
    assert list(pairing.find(tmp_path, "images/*.jpg", "masks/*_gt.png")) == [Pair(*paths)]


@pytest.mark.parametrize(
    ("image", "mask", "others", "expected"),
    [
        ("case_{}/image.png", "case_{}/mask.png", (), ("*/image.png", "*/mask.png")),
        ("a/{}_json/img.png", "a/{}_json/label.png", ("a/{}_json/label_viz.png",), ("a/*/img.png", "a/*/label.png")),
        ("{}/images/raw.tif", "{}/masks/gt.png", (), ("*/images/raw.tif", "*/masks/gt.png")),
        ("train/{}/rgb.jpg", "train/{}/seg.png", ("train/{}/depth.png",), ("train/*/rgb.jpg", "train/*/seg.png")),
    ],
)
def test_folders_pair_files_whose_names_say_what_they_are_alone(tmp_path, image, mask, others, expected):
    pairs = {(image.format(i), mask.format(i)) for i in range(3)}
    paths = [*(path for pair in pairs for path in pair), *(other.format(i) for other in others for i in range(3))]
    (family,) = families.find(paths)
    assert {(pair.image, pair.mask) for pair in family.pairs} == pairs
    assert globs.of(family) == expected
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert {(pair.image, pair.mask) for pair in pairing.find(tmp_path, *expected)} == pairs
