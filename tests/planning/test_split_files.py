import json

import pytest

from pipeline.planning import listing, split_files, split_rules
from tests.planning.test_list_files import write


@pytest.mark.parametrize(
    ("path", "is_asked"),
    [
        ("train_test_split.yaml", True),
        ("splits_final.json", True),
        ("lists/train.txt", True),
        ("split.csv", True),
        ("classes.txt", False),
        ("annotations.json", False),
        ("splitter_notes.txt", False),
        ("images/split.jpg", False),
    ],
)
def test_a_file_that_may_say_the_splits_is_asked_about(tmp_path, path, is_asked):
    write(tmp_path, {path: "train: [1, 2]"})
    files = split_files.unread(listing.read(tmp_path))
    assert files == ([path] if is_asked else [])
    first = split_rules.propose({}, {}, ["images/a.png"], files).questions[0]
    asked = (
        f"Does {path} say the splits? It is no list with an image on each line, and splits are not "
        "read from it. Default: images are"
    )
    assert first.startswith(asked) == is_asked
    given = {"train": "t", "val": "v", "test": "u"}
    assert split_rules.propose(given, {}, ["images/a.png"], files).questions == ()


@pytest.mark.parametrize(
    ("tree", "is_asked"),
    [
        ({"training": [{"image": "a", "label": "b"}], "validation": [{"image": "c", "label": "d"}]}, True),
        ({"training": ["a"], "test": []}, False),
        ({"labels": {"0": "background"}, "training": ["a"]}, False),
        ([1, 2], False),
        ("training", False),
    ],
)
def test_monais_lists_of_images_are_asked_about(tmp_path, tree, is_asked):
    write(tmp_path, {"dataset.json": json.dumps(tree)})
    assert split_files.unread(listing.read(tmp_path)) == (["dataset.json"] if is_asked else [])


@pytest.mark.parametrize(
    ("named", "files", "found"),
    [
        (["a/train.json", "b_val.json"], 2, {"train": "a/train.json", "val": "b_val.json"}),
        (["train.json", "test2017.json"], 2, {"train": "train.json", "test": "test2017.json"}),
        (["train.json"], 1, {}),
        (["train.json", "val.json"], 3, {}),  # one is named after none
        (["train_1.json", "train_2.json"], 2, {}),
        (["val.json", "test.json"], 2, {}),
        (["train.json", "val_test.json"], 2, {}),
    ],
)
def test_files_of_annotations_say_the_splits_if_each_is_of_one(named, files, found):
    assert split_files.of_annotations(named, [*named, *"abc"[: files - len(named)]]) == found


@pytest.mark.parametrize(
    ("path", "is_named"),
    [
        ("annotations/instances_train2017.json", True),
        ("val.json", True),
        ("a/coco-test.json", True),
        ("trains.json", False),
    ],
)
def test_a_file_of_annotations_may_be_named_after_a_split(path, is_named):
    assert split_files.is_named_after_split(path) == is_named
