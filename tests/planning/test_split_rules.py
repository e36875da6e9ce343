import pytest

from pipeline.data.pairing import Pair
from pipeline.planning import listing, split_rules


def of(folders, images=("a.png",)):
    return split_rules.propose(folders, {}, images)


@pytest.mark.parametrize(
    ("images", "folders"),
    [
        (["train/a", "val/b", "test/c"], {"train": "train", "val": "val", "test": "test"}),
        (["images/training/a", "images/validation/b"], {"train": "training", "val": "validation"}),
        (["train2017/a", "val2017/b"], {"train": "train2017", "val": "val2017"}),
        (["Train/Images/a", "valid/images/b"], {"train": "Train", "val": "valid"}),
        (["imagesTr/a", "imagesTs/b"], {"train": "imagesTr", "test": "imagesTs"}),
        (["x/train/a", "x/test_images/b"], {"train": "train", "test": "test_images"}),
        (["train/a", "b"], {}),
        (["train/a"], {}),
        (["val/a", "test/b"], {}),
        (["train/a", "training/b", "val/c"], {}),
        (["trains/a", "values/b"], {}),
    ],
)
def test_folders_named_after_splits_are_recognised(images, folders):
    assert split_rules.by_folder([f"{image}.png" for image in images]) == folders


def test_what_a_data_set_lacks_is_taken_from_train_or_asked():
    both = of({"train": "t", "val": "v", "test": "u"})
    assert (dict(both.rule), both.questions) == ({"by": "folder", "train": "t", "val": "v", "test": "u"}, ())
    without_test = of({"train": "t", "val": "v"})
    assert without_test.rule["test"] is None
    assert "If yes: splits: {by: folder, train: t, val: {share: 0.15, seed: 1}, test: v}" in without_test.questions[0]
    without_val = of({"train": "t", "test": "u"})
    assert without_val.rule == {"by": "folder", "train": "t", "val": {"share": 0.15, "seed": 1}, "test": "u"}
    assert of({}).rule == {"by": "ratio", "train": 0.7, "val": 0.15, "test": 0.15, "seed": 1}


@pytest.mark.parametrize(
    ("images", "sequence"),
    [
        ([f"x/{place}_{n:03}_rgb.png" for place in "abcdef" for n in range(2)], r"([^/]+?)[_-]\d+[^/]*$"),
        ([f"{place}/{n}.png" for place in "abcdef" for n in range(2)], "([^/]+)/[^/]+$"),
        ([f"DSC_{n:04}.jpg" for n in range(60)], "([^/]+)$"),
        ([f"{place}_{n}.png" for place in "abcde" for n in range(9)], "([^/]+)$"),
        ([f"{n}.jpg" for n in range(60)], "([^/]+)$"),
    ],
)
def test_sequences_are_what_names_or_folders_share_if_there_are_enough(images, sequence):
    rule = of({}, images)
    assert rule.sequence == sequence
    assert bool(rule.questions) == (sequence == "([^/]+)$")


def write(root, files):
    for path, text in {"images/a.png": "", **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return listing.read(root)


def test_of_several_lists_those_that_name_images_with_masks_are_taken(tmp_path):
    files = write(
        tmp_path,
        {"x/train.txt": "a\nb", "x/val.txt": "c", "y/train.txt": "a\nz", "y/val.txt": "c", "notes.txt": "a"},
    )
    pairs = [Pair(f"images/{name}.png", "m.png") for name in "abc"]
    assert split_rules.by_list(files, pairs) == ({"train": "x/train.txt", "val": "x/val.txt"}, ())


def test_lists_of_something_else_are_none(tmp_path):
    files = write(tmp_path, {"train.txt": "0 0.5 0.5 1 1", "val.txt": "0 0.5 0.5 1 1", "test.txt": "\xff"})
    assert split_rules.by_list(files, [Pair("images/a.png", "m.png")]) == ({}, ())
    assert split_rules.lists_of_pairs(files) == ({}, [])


@pytest.mark.parametrize(
    ("images", "asked"),
    [
        (
            ["train/a", "test/b", "extra/c"],
            "Do the folders test, train say the splits, of which extra/c.png is in none?",
        ),
        (["train/a", "train_1/b"], "Do the folders train, train_1 say the splits? Default: no, images are drawn"),
        (
            ["train/a", "val/b", "valid/c"],
            "Do the folders train, val, valid say the splits? Default: no, images are drawn",
        ),
        (["a", "b/c"], ""),
    ],
)
def test_folders_of_splits_that_are_not_used_are_asked_about(images, asked):
    images = [f"{image}.png" for image in images]
    assert split_rules.by_folder(images) == {}
    assert any(question.startswith(asked) for question in of({}, images).questions)
    assert any("say the splits" in question for question in of({}, images).questions) == bool(asked)


NUMBERED = [Pair(f"images/{number:03}_image.png", "m.png") for number in range(1, 5)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train_test_split.yaml", "train: [1, 2, 3]\ntest: [4]\n"),
        ("meta/splits.json", '{"train": ["001_image", "002_image"], "test": ["images/004_image.png"], "seed": 3}'),
        ("Split.yml", 'train: ["001_image.png"]\ntest: ["004"]\nnames: {0: soil}\n'),
    ],
)
def test_lists_in_one_yaml_or_json_file_are_recognised(tmp_path, name, text):
    lists, questions = split_rules.by_list(write(tmp_path, {name: text}), NUMBERED)
    assert (lists, questions) == ({"train": f"{name}#train", "test": f"{name}#test"}, ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("splits.yaml", "train: images/train\ntest: images/test\n"),
        ("splits.yaml", "train: [7, 8]\ntest: [9]\n"),
        ("splits.yaml", "- [1, 2]\n"),
        ("splits.json", '{"train": [{"image": "001"}], "test": [true]}'),
        ("splits.json", '{"train": [1], "test": [4]'),
        ("numbers.yaml", "train: [1]\ntest: [4]\n"),
    ],
)
def test_files_of_something_else_hold_no_lists(tmp_path, name, text):
    assert split_rules.by_list(write(tmp_path, {name: text}), NUMBERED) == ({}, ())


def test_lists_with_an_image_in_two_splits_are_asked_about_and_not_used(tmp_path):
    files = write(tmp_path, {"split.yaml": "train: [1, 2, 3]\ntest: [2, 3, 4]\n"})
    lists, (question,) = split_rules.by_list(files, NUMBERED)
    assert lists == {}
    assert question == (
        "The data set's lists (train: split.yaml#train, test: split.yaml#test) have images/002_image.png in test and "
        "train and 1 more image: where do they belong? Default: these lists are not used, and images are split at "
        "random. To use them, name corrected copies as dataset.splits"
    )
