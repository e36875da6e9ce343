import pytest

from pipeline.planning.splits import split_files, split_rules, yolo_splits
from tests.planning.splits.test_list_files import write

IMAGES = ["images/y2021/a.jpg", "images/y2021/b.jpg", "images/y2022/c.jpg"]
OF_YEARS = {"train": "images/y2021/", "val": "images/y2022/"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "train: images/y2021\nval: images/y2022/\nnames: [a]\n"),
        ("data.yaml", "train: ./images/y2021\nval: images/y2022\ntest:\nnames: {0: a}\n"),
        ("data.yaml", "path: images\ntrain: y2021\nval: y2022\nnames: [a]\n"),
        ("data.yaml", "path: ../datasets/own\ntrain: images/y2021\nval: images/y2022\nnames: [a]\n"),
        ("images/own.yml", "path: ..\ntrain: images/y2021\nval: images/y2022\nnames: [a]\n"),
        ("data.yaml", "train: ../images/y2021\nval: ../images/y2022\nnames: [a]\n"),
        ("data.yaml", "train: images/y2021\nval: images/y2022\ntest: images/bare\nnames: [a]\n"),
    ],
)
def test_folders_that_data_yaml_names_are_the_splits(tmp_path, name, text):
    files = write(tmp_path, {name: text, **dict.fromkeys([*IMAGES, "images/bare/d.jpg"], "")})
    assert yolo_splits.of_images(files, IMAGES) == OF_YEARS
    rule = split_rules.propose({}, OF_YEARS, IMAGES)
    assert rule.rule == {"by": "list", **OF_YEARS, "test": None}
    assert rule.reason == "folders that the data set's YAML file names, which has no test images"


@pytest.mark.parametrize(
    ("text", "is_asked"),
    [
        ("train: [images/y2021]\nval: images/y2022\nnames: [a]\n", True),
        ("train: images/y2021\nval: /home/you/y2022\nnames: [a]\n", True),
        ("train: images\nval: images/y2022\nnames: [a]\n", True),
        ("train: images/y2021\nval: images/y2021/../y2021\nnames: [a]\n", True),
        ("train: images/y2021\nval: images/bare\nnames: [a]\n", True),  # y2022 is in none
        ("train: images\nval: images\nnames: [a]\n", False),
        ("train: images/y2021\nnames: [a]\n", False),
        ("train: images/y2021\nval: images/y2022\n", False),
        ("names: [a", False),
        ("- train", False),
    ],
)
def test_what_data_yaml_says_otherwise_is_asked_about(tmp_path, text, is_asked):
    files = write(tmp_path, {"data.yaml": text, **dict.fromkeys([*IMAGES, "images/bare/d.jpg"], "")})
    assert yolo_splits.of_images(files, IMAGES) == {}
    assert split_files.unread(files) == (["data.yaml"] if is_asked else [])
