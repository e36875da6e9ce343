"""nnU-Net's folds and its folders of splits, as segnet init takes them."""

import json

import pytest

from pipeline.data.pairing import Pair
from pipeline.planning import listing
from pipeline.planning.masks import families, globs
from pipeline.planning.splits import list_files, split_rules

TRAINING = [Pair(f"imagesTr/case_{i}_0000.png", f"labelsTr/case_{i}.png") for i in range(4)]
TEST = [Pair("imagesTs/case_9_0000.png", "labelsTs/case_9.png")]
FOLDS = [{"train": ["case_0", "case_1", "case_2"], "val": ["case_3"]}, {"train": ["case_3"], "val": ["case_0"]}]


@pytest.fixture
def root(tmp_path):
    for pair in TRAINING:
        (tmp_path / "nnUNet_raw/Dataset001_Own/imagesTr").mkdir(parents=True, exist_ok=True)
        (tmp_path / "nnUNet_raw/Dataset001_Own" / pair.image).touch()
    return tmp_path / "nnUNet_raw/Dataset001_Own"


def write(path, folds=FOLDS):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(folds))


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("../../nnUNet_preprocessed/Dataset001_Own/", "../../nnUNet_preprocessed/Dataset001_Own/splits_final.json"),
        ("../nnUNet_preprocessed/Dataset001_Own/", "../nnUNet_preprocessed/Dataset001_Own/splits_final.json"),
        ("", "splits_final.json"),
    ],
)
def test_the_first_fold_is_found_where_nnunet_keeps_it(root, where, path):
    write(root / where / "splits_final.json")
    lists, questions = list_files.of_images(listing.read(root), TRAINING)
    assert (lists, questions) == ({"train": f"{path}#0.train", "val": f"{path}#0.val"}, ())
    rule = split_rules.propose({}, lists, [str(pair.image) for pair in TRAINING])
    assert rule.reason == "fold 0, the first in nnU-Net's splits_final.json of the data set, which has no test images"
    assert rule.rule["test"] is None


def test_labelled_test_images_are_the_test_split(root):
    write(root / "splits_final.json")
    lists, _ = list_files.of_images(listing.read(root), [*TRAINING, *TEST])
    assert lists["test"] == "imagesTs/"
    rule = split_rules.propose({}, lists, ["imagesTr/liver_1_0000.png"])
    assert rule.reason == "fold 0, the first in nnU-Net's splits_final.json of the data set"
    assert rule.questions == ()


def test_the_folds_of_another_data_set_are_none(root):
    write(root / "splits_final.json", [{"train": ["liver_1"], "val": ["liver_2"]}])
    write(root / "../nnUNet_preprocessed/Dataset002_Other/splits_final.json")
    assert list_files.of_images(listing.read(root), TRAINING) == ({}, ())


def test_images_and_masks_of_one_split_belong_together_whatever_their_names():
    pictures = [
        f"{kind}{split}/a_1{end}.png" for kind, end in (("images", "_0000"), ("labels", "")) for split in ["Tr", "Ts"]
    ]
    (family,) = families.find(pictures)
    assert [(pair.image, pair.mask) for pair in family.pairs] == [
        ("imagesTr/a_1_0000.png", "labelsTr/a_1.png"),
        ("imagesTs/a_1_0000.png", "labelsTs/a_1.png"),
    ]
    assert globs.of(family) == ("images{Tr,Ts}/*_0000.png", "labels{Tr,Ts}/*.png")
