import pytest

from pipeline.data import splits
from pipeline.data.pairing import Pair

IMAGES = [Pair(f"i/{number:03}_x.png", "m.png") for number in (1, 2, 10)]
TEXT = {
    "s.yaml": "train: [1, 010]\ntest: [i/002_x.png]\nnote: none\n",
    "s.json": '{"train": ["001_x", "10"], "test": ["002_x.png"], "note": "none"}',
}


def assigned(root, name, train="train"):
    return splits.by_list(IMAGES, root, {"train": f"{name}#{train}", "test": f"{name}#test"})


@pytest.mark.parametrize("name", TEXT)
def test_the_lists_of_one_file_name_images_by_path_name_or_number(tmp_path, name):
    (tmp_path / name).write_text(TEXT[name])
    assert assigned(tmp_path, name) == {"train": [IMAGES[0], IMAGES[2]], "test": [IMAGES[1]]}


@pytest.mark.parametrize("name", TEXT)
def test_a_key_that_is_no_list_is_refused(tmp_path, name):
    (tmp_path / name).write_text(TEXT[name])
    with pytest.raises(
        ValueError, match=rf"splits.train: expected the key of a list .* in {name} .*, one of test, train, got note;"
    ):
        assigned(tmp_path, name, train="note")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.yaml", None, r"dataset.splits.train: .*s.yaml: expected a readable"),
        ("s.json", None, r"dataset.splits.train: .*s.json: expected a readable file"),
        ("s.json", '{"train": [1', r"dataset.splits.train: "),
        ("s.yaml", "- 1\n", r"s.yaml: expected a mapping from splits to lists of images, got list"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        assigned(tmp_path, name)


def test_a_number_counts_only_where_no_image_has_it_as_its_name(tmp_path):
    (tmp_path / "s.yaml").write_text("train: [7]\ntest: [8]\n")
    seven, other, eight = Pair("i/7.png", "m"), Pair("i/x7.png", "m"), Pair("i/y_8.png", "m")
    lists = {"train": "s.yaml#train", "test": "s.yaml#test"}
    assert splits.by_list([seven, other, eight], tmp_path, lists) == {"train": [seven], "test": [eight]}


def test_a_number_that_two_images_have_is_refused(tmp_path):
    (tmp_path / "s.yaml").write_text("train: [7]\ntest: [8]\n")
    pairs = [Pair("i/a7.png", "m"), Pair("i/b07.png", "m"), Pair("i/c8.png", "m")]
    with pytest.raises(ValueError, match=r"expected a name of one image, got 7, which is i/a7.png and i/b07.png"):
        splits.by_list(pairs, tmp_path, {"train": "s.yaml#train", "test": "s.yaml#test"})


FOLDS = '[{"train": ["case_1", "case_2"], "val": ["case_3"]}, {"train": ["case_3"], "val": ["case_1"]}]'
CASES = [Pair(f"imagesTr/case_{i}_0000.png", f"labelsTr/case_{i}.png") for i in (1, 2, 3)]
TEST = [Pair("imagesTs/case_1_0000.png", "x/case_8.png"), Pair("imagesTs/b/case_9_0000.png", "labelsTs/case_9.png")]


def test_a_fold_names_images_by_their_masks_and_a_folder_those_in_it(tmp_path):
    (tmp_path / "folds.json").write_text(FOLDS)
    lists = {"train": "folds.json#0.train", "val": "folds.json#0.val", "test": "imagesTs/"}
    assert splits.by_list([*CASES, *TEST], tmp_path, lists) == {"train": CASES[:2], "val": CASES[2:], "test": TEST}
    assert splits.by_list(CASES, tmp_path, {"train": "folds.json#1.train"}) == {"train": CASES[2:]}
    with pytest.raises(ValueError, match=r"one of 0.train, 0.val, 1.train, 1.val, got 2.train; correct it"):
        splits.by_list(CASES, tmp_path, {"train": "folds.json#2.train"})


@pytest.mark.parametrize("pairs", [CASES, None])
def test_a_folder_without_images_is_refused(tmp_path, pairs):
    with pytest.raises(
        ValueError,
        match=r"splits.test: expected a folder with some of the images of dataset.images, got imagesTs/; correct it",
    ):
        splits.by_list(pairs, tmp_path, {"test": "imagesTs/"})


def test_the_name_of_an_image_comes_before_that_of_a_mask(tmp_path):
    (tmp_path / "s.yaml").write_text("train: [a]\n")
    pairs = [Pair("i/a.png", "m/b.png"), Pair("i/b.png", "m/a.png")]
    assert splits.by_list(pairs, tmp_path, {"train": "s.yaml#train"}) == {"train": pairs[:1]}
