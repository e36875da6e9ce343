"""Which masks are meant, and the globs that find them."""

import numpy as np
import pytest
from PIL import Image

from pipeline.data import pairing
from pipeline.data.pairing import Pair
from pipeline.planning import listing
from pipeline.planning.masks import globs, mask_files, mask_words


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def look(root, *paths, pattern=None):
    touch(root, *paths)
    return mask_files.find(listing.read(root), pattern)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("a.jpg", "b.jpg", "a_mask.png", "b_mask.png"), ("*.jpg", "*_mask.png")),
        (("a.jpg", "b.jpg", "mask_a.png", "mask_b.png"), ("*.jpg", "mask_*.png")),
        (("a.jpg", "b.jpg", "a.png", "b.png"), ("*.jpg", "*.png")),
        (("a.JPEG", "b.JPEG", "a.png", "b.png"), ("*.jpeg", "*.png")),
        (("a_sat.jpg", "a_mask.png", "b_sat.jpg", "b_mask.png"), ("*_sat.jpg", "*_mask.png")),
        (("image/a.jpg", "image/b.png", "mask/a.png", "mask/b.png"), ("image/*.{jpg,png}", "mask/*.png")),
        (("i/x/a.jpg", "i/y/z/a.jpg", "masks/x/a.png", "masks/y/z/a.png"), ("i/**/*.jpg", "masks/**/*.png")),
        (("t/image/a.jpg", "v/image/b.jpg", "t/label/a.png", "v/label/b.png"), ("*/image/*.jpg", "*/label/*.png")),
        (("train/a.png", "train_labels/a_L.png", "val/b.png", "val_labels/b_L.png"),
         ("{train,val}/*.png", "{train,val}_labels/*_L.png")),
        (("images/a_image.png", "annotations/a_annot.png"), ("images/*_image.png", "annotations/*_annot.png")),
        (("images/segment_1.jpg", "images/segment_2.jpg", "masks/segment_1.png", "masks/segment_2.png"),
         ("images/*.jpg", "masks/*.png")),
        (("images/image_1.png", "images/image_2.png", "masks/mask_1.png", "masks/mask_2.png"),
         ("images/image_*.png", "masks/mask_*.png")),
        (("img1.png", "img2.png", "mask1.png", "mask2.png"), ("img*.png", "mask*.png")),
        (("a/image_1.png", "a/image_2.png", "masks/1.png", "masks/2.png"), ("a/image_*.png", "masks/*.png")),
        (("images/image_1.png", "images/image_2.png", "masks/image_1.png", "masks/image_2.png"),
         ("images/*.png", "masks/*.png")),
        (("img_dir/train/1.jpg", "img_dir/val/2.jpg", "ann_dir/train/1.png", "ann_dir/val/2.png"),
         ("img_dir/*/*.jpg", "ann_dir/*/*.png")),
        (("train_img/1.jpg", "test_img/2.jpg", "train_lab/1.png", "test_lab/2.png"),
         ("{test,train}_img/*.jpg", "{test,train}_lab/*.png")),
        (("images/1_L.jpg", "images/1_R.jpg", "masks/1_L.png", "masks/1_R.png"), ("images/*.jpg", "masks/*.png")),
        (("images/GT_1.jpg", "images/GT_2.jpg", "masks/GT_1.png", "masks/GT_2.png"), ("images/*.jpg", "masks/*.png")),
        (("labeled_images/1.jpg", "labeled_images/2.jpg", "masks/1.png", "masks/2.png"),
         ("labeled_images/*.jpg", "masks/*.png")),
        (("labels/1.png", "labels/2.png", "unlabelled_photos/1.jpg", "unlabelled_photos/2.jpg"),
         ("unlabelled_photos/*.jpg", "labels/*.png")),
    ],
)  # fmt: skip
def test_masks_are_recognised_and_the_globs_pair_all_of_them(tmp_path, paths, expected):
    family, questions = look(tmp_path, *paths)
    assert globs.of(family) == expected
    found = pairing.find(tmp_path, *expected)
    assert {path for pair in found for path in (pair.image, pair.mask)} == set(paths)
    assert questions == []


def test_masks_among_the_images_are_masks_by_their_names_beside_a_folder_of_masks_too(tmp_path):
    _, questions = look(tmp_path, "images/1.jpg", "images/1_mask.png", "annotations/1.png")
    assert questions[0].startswith("Are these the masks: annotations/1.png (not a mask's labels)? Default: yes; others")
    assert "images/1_mask.png" in questions[0]


@pytest.mark.parametrize(
    "folder", ["unlabelled", "Unlabeled", "un-annotated", "moreUnlabeled", "no_masks", "not-labeled"]
)
def test_a_folder_of_images_without_masks_is_no_folder_of_masks(tmp_path, folder):
    touch(tmp_path, f"{folder}/1.jpg", "data/1.jpg")
    with pytest.raises(
        ValueError, match="expected masks recognised by their names or folders, with images of the same"
    ):
        mask_files.find(listing.read(tmp_path / "data"), None)


@pytest.mark.parametrize("folder", ["run_labels", "sun_masks", "Unified_labels", "segmentation_masks", "canola_mask"])
def test_words_that_only_look_like_a_negation_are_none(folder):
    assert mask_words.is_named_after_masks(folder)


def test_files_that_are_no_pictures_are_none_of_the_images(tmp_path):
    family, _ = look(tmp_path, *(f"{folder}/{name}" for folder in ("images", "masks") for name in ("a.png", "b.PNG")))
    look(tmp_path, "images/c.jpeg", "masks/c.png", "images/Thumbs.db", "masks/desktop.ini", "images/a.json")
    family, _ = look(tmp_path, "images/d.JPG", "masks/d.png")
    found = pairing.find(tmp_path, *globs.of(family))
    assert globs.of(family) == ("images/*.{jpeg,jpg,png}", "masks/*.png")
    assert {pair.image for pair in found} == {f"images/{name}" for name in ("a.png", "b.PNG", "c.jpeg", "d.JPG")}


def test_of_several_kinds_of_masks_it_asks_which_are_meant(tmp_path):
    _, questions = look(tmp_path, "images/1_image.png", "masks/1_mask.png", "annotations/1_annotation.png")
    assert questions == [
        "Are these the masks: annotations/1_annotation.png (not a mask's labels)? Default: yes; others could be "
        "masks/1_mask.png (not a mask's labels): --masks says which"
    ]


@pytest.mark.parametrize(
    ("one", "other"), [("annotations/{}_annotation", "masks/{}_mask"), ("labels/{}_label", "gt/{}_gt")]
)
def test_masks_of_more_classes_are_meant_whatever_their_name(tmp_path, one, other):
    for few, many in ((one, other), (other, one)):
        root = tmp_path / few[0] / few[-1]
        for number in (1, 2):
            for name, labels in ((few, [0, 255]), (many, [0, 1, 2]), ("images/{}_image", range(200))):
                path = root / f"{name.format(number)}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.resize(np.array(labels, np.uint8), (10, 20))).save(path)
        family, questions = look(root)
        assert family.pairs[0].mask == f"{many.format(1)}.png"
        assert questions == [
            f"Are these the masks: {many.format(1)}.png (3 labels)? Default: yes; others could be {few.format(1)}.png "
            "(2 labels): --masks says which"
        ]


def test_words_that_often_mean_something_else_are_asked_about_beside_the_usual_ones(tmp_path):
    _, questions = look(tmp_path, "images/1.png", "masks/1.png", "target/1.png")
    assert questions[0] == (
        "Are these the masks: masks/1.png (not a mask's labels)? Default: yes; others could be target/1.png (not a "
        "mask's labels): --masks says which"
    )


@pytest.mark.parametrize(
    ("images", "other"),
    [
        ("images", "overlays"),
        ("images", "predictions"),
        ("images", "nir"),
        ("rgb", "thermal"),
        ("JPEGImages", "thumbnails"),
        ("images", "images_small"),
    ],
)
def test_pictures_of_the_same_names_are_no_images_where_a_folder_is_named_after_images(tmp_path, images, other):
    names = [f"{folder}/{name}.png" for folder in (images, other, "masks") for name in "ab"]
    family, questions = look(tmp_path, *names)
    assert globs.of(family) == (f"{images}/*.png", "masks/*.png")
    assert questions == [
        f"Are these the images: {images}/a.png? Default: yes; pictures of the same names are left out (2), such as "
        f"{other}/a.png. If no: correct dataset.images in params.yaml"
    ]


def test_images_that_no_mask_tells_from_others_are_asked_about(tmp_path):
    _, questions = look(tmp_path, "images/A/0.jpg", "images/B/0.jpg", "masks/0.png")
    assert questions == [
        "Are these the images: images/B/0.jpg? Default: yes; pictures of the same names are left out (1), such as "
        "images/A/0.jpg. If no: correct dataset.images in params.yaml"
    ]


def test_a_pattern_says_which(tmp_path):
    family, questions = look(
        tmp_path, "images/1_image.png", "masks/1_mask.png", "annotations/1_annotation.png", pattern="masks/*"
    )
    assert (globs.of(family)[1], questions) == ("masks/*_mask.png", [])


def test_what_is_no_picture_is_no_mask_though_a_pattern_matches_it(tmp_path):
    (tmp_path / "masks/notes.png").mkdir(parents=True)
    family, _ = look(tmp_path, "images/1.png", "images/notes.png", "masks/1.png", "masks/notes.txt", pattern="masks/*")
    assert [pair.mask for pair in family.pairs] == ["masks/1.png"]


@pytest.mark.parametrize("pattern", [None, "masks"])
def test_several_masks_of_an_image_are_refused(tmp_path, pattern):
    expected = (
        r"^expected one mask for each image, got 2 for images/0.jpg: masks/liver/0.png, masks/spleen/0.png; where each "
        "holds a class or an object of its own, merge them into one, in which a pixel has the value of its class; or "
        "say which are meant by --masks$"
    )
    with pytest.raises(ValueError, match=expected):
        look(tmp_path, "images/0.jpg", *(f"masks/{organ}/0.png" for organ in ("liver", "spleen")), pattern=pattern)


@pytest.mark.parametrize("pattern", ["masks/liver", "masks/liver/*.png", "masks/l*r"])
def test_other_masks_than_a_pattern_names_are_no_images(tmp_path, pattern):
    family, _ = look(
        tmp_path, "images/0.jpg", *(f"masks/{organ}/0.png" for organ in ("liver", "spleen")), pattern=pattern
    )
    assert family.pairs == (Pair("images/0.jpg", "masks/liver/0.png"),)
    assert globs.of(family) == ("images/*.jpg", "masks/liver/*.png")


@pytest.mark.parametrize("pattern", ["*_seg_x", "a_seg_x", "[ab]_seg_x"])
def test_a_pattern_that_matches_folders_means_what_is_below_them(tmp_path, pattern):
    others = ("a_seg_x/more/1.txt", "a_seg_x/.hidden/1.png", "a_seg_x/._1.png")
    family, _ = look(tmp_path, "photos/1.jpg", "a_seg_x/1.png", *others, pattern=pattern)
    assert [pair.mask for pair in family.pairs] == ["a_seg_x/1.png"]


def test_a_pattern_may_have_words_in_braces_as_in_params(tmp_path):
    paths = [f"{split}/{kind}/{split}.png" for split in ("a", "b", "c") for kind in ("images", "masks")]
    family, _ = look(tmp_path, *paths, pattern="{a,c}/masks/*.png")
    assert sorted(pair.mask for pair in family.pairs) == ["a/masks/a.png", "c/masks/c.png"]


def test_folders_that_no_rule_pairs_are_refused(tmp_path):
    family, _ = look(tmp_path, "x/a.jpg", "y/b.jpg", "mask1/a.png", "mask2/b.png", pattern="mask?/*.png")
    with pytest.raises(ValueError, match="one rule for the folders of images and masks, got x with mask1 and y with"):
        globs.of(family)
    family, _ = look(tmp_path, "z/deep/c.jpg", "w/d.jpg", "mask3/c.png", "mask4/q/d.png", pattern="mask[34]/**/*.png")
    with pytest.raises(ValueError, match="expected images and masks in folders of the same names, got "):
        globs.of(family)


def test_a_folder_that_is_none_or_holds_no_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a folder of images, got .*nowhere; correct the path"):
        listing.read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"expected images in .*, got none of .apng, .bmp, .*; correct the path"):
        listing.read(tmp_path)


@pytest.mark.parametrize("further", ["_mask_1", "_mask-2", "_mask.10"])
def test_a_numbered_mask_beside_one_without_a_number_is_a_further_object_of_its_image(tmp_path, further):
    paths = ("a (1).png", "a (1)_mask.png", f"a (1){further}.png", "a (2).png", "a (2)_mask.png")
    expected = (
        rf"expected one mask for each image, got 2 for a \(1\)\.png: a \(1\)_mask\.png, a \(1\){further}\.png; where"
    )
    with pytest.raises(ValueError, match=expected):
        look(tmp_path, *paths)
    family, _ = look(tmp_path, pattern="*_mask.png")
    assert len(family.pairs) == 2


@pytest.mark.parametrize("ends", [("_mask_1", "_mask_2"), ("_mask", "_label_1")])
def test_masks_by_two_people_are_no_two_objects(tmp_path, ends):
    _, questions = look(tmp_path, *(f"{name}{end}.png" for name in "ab" for end in ("", *ends)))
    assert len(questions) == 1
