import json

import pytest

from pipeline.planning import listing
from pipeline.planning.splits import split_files, split_rules
from tests.planning.splits.test_list_files import write


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
    ("path", "text", "is_asked"),
    [
        ("train_list.csv", "image,mask\n", True),
        ("training_ids.json", "[]", True),
        ("train_ids.txt", "patient 7", True),
        ("fold0_train.txt", "a\nb", True),
        ("kitti_val.txt", "images/a.png masks/a.png\nimages/b.png masks/b.png", True),
        ("train_1.csv", 'image;mask\n"images/a.png";"x"\n"images/b.png";"x"', True),
        ("train_2.lst", "7\n8", True),
        ("development.txt", "a.png", True),
        ("holdout.txt", "b.png", True),
        ("metadata.csv", 'image,"split"\n', True),
        ("meta.tsv", "image\tdata_split", True),
        ("train_log.txt", "epoch 7 loss 0.3\nepoch 8 loss 0.2", False),
        ("test_1.txt", "0 7.5 0.5 1 1", False),
        ("test_scores.txt", "7.31\n8.2", False),
        ("test_1.txt", b"\xff", False),
        ("train_config.yaml", "train: a", False),
        ("instances_train.json", "[]", False),
        ("metadata.csv", "image,width\n", False),
        ("names.txt", "a\nb", False),
        ("images/train_a.txt", "train_a.png", False),  # beside a picture of that name
    ],
)
def test_a_file_that_names_pictures_of_a_split_is_asked_about(tmp_path, path, text, is_asked):
    pictures = {f"images/{stem}.png": "" for stem in ("a", "b", "7", "8", "train_a")}
    write(tmp_path, {**pictures, path: ""})
    (tmp_path / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert split_files.unread(listing.read(tmp_path)) == ([path] if is_asked else [])


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
