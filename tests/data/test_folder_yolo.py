"""Annotations in fractions of an image's size need the image, which may be broken."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pipeline.data import download, folder
from pipeline.files.images import read_mask
from pipeline.planning import class_names, class_table, contents
from pipeline.planning.listing import read as read_listing
from tests.data.test_download import LIMITS
from tests.data.test_folder import settings, write
from tests.support.made import made

LABELLED = [
    {"name": "ground", "value": None, "colour": [0, 0, 0], "ignore": False},
    {"name": "weed", "value": "0", "colour": [0, 255, 0], "ignore": False},
]


@pytest.fixture
def root(tmp_path):
    """A data set of three images of 8 x 4 pixels, one per split, whose left halves are weed."""
    root = tmp_path / "fields"
    for split in ("train", "val", "test"):
        write(root / f"images/{split}/{split}_1.png", np.random.default_rng(len(split)).integers(0, 256, (4, 8, 3)))
        (root / f"labels/{split}").mkdir(parents=True)
        (root / f"labels/{split}/{split}_1.txt").write_text("0 0 0 0.5 0 0.5 1 0 1\n")
    return root


def of_yolo(root):
    chosen = {"images": "images/*/*.*", "masks": "labels/*/*.txt", "mask_kind": "yolo", "classes": LABELLED}
    return settings(root, **chosen)


def test_masks_have_the_size_of_their_images(root):
    for entry in made(folder.source(of_yolo(root))):
        assert read_mask(entry.mask.content).tolist() == [[1] * 4 + [0] * 4] * 4


def test_an_image_that_is_turned_is_annotated_as_it_is_seen(root):
    image = Image.fromarray(np.zeros((8, 4, 3), np.uint8))  # stored upright for a camera that was held on its side
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(root / "images/train/train_1.png", exif=exif)
    entry = {entry.split: entry for entry in made(folder.source(of_yolo(root)))}["train"]
    assert read_mask(entry.mask.content).tolist() == [[1] * 4 + [0] * 4] * 4  # 4 high, 8 wide
    assert entry.mask_orientation == 6  # as its image: validation is in no doubt


def test_a_broken_image_is_told_by_its_row_and_stops_nothing(root, tmp_path):
    (root / "images/train/train_1.png").write_bytes(b"\x89PNG")
    download.run(of_yolo(root), LIMITS, tmp_path / "raw")
    by_name = {entry.split: entry for entry in made(folder.source(of_yolo(root)))}
    assert by_name["train"].problem.startswith("mask: expected an image")
    assert by_name["val"].problem == ""


def test_annotations_without_an_image_are_told_by_their_row(root):
    (root / "images/train/train_1.png").unlink()
    entry = {entry.split: entry for entry in made(folder.source(of_yolo(root)))}["train"]
    assert entry.problem == "mask: expected its image, whose size says where the annotations are, got none"


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("data.yaml", "names: [weed, crop]", {"0": "weed", "1": "crop"}),
        ("data.yaml", "names: {0: weed, 7: crop}", {"0": "weed", "7": "crop"}),
        ("classes.txt", "weed\ncrop\n", {"0": "weed", "1": "crop"}),
        ("other.yaml", "version: 3", {}),
        ("broken.yaml", "names: [", {}),
        ("wrong.yaml", "names: 3", {}),
    ],
)
def test_names_are_those_of_the_numbers(root, file, text, expected):
    (root / file).write_text(text)
    names, source = class_names.of_yolo(read_listing(root))
    assert {label: name.text for label, name in names.items()} == expected
    assert source == (file if expected else "")


def test_a_number_without_a_name_is_to_be_named(root):
    held = contents.Contents("yolo", {"a": Counter({None: 5, "3": 5})}, 1, {})
    table = class_table.propose(held, read_listing(root), "labels/a.txt")
    assert [(row.label, row.name) for row in table.rows] == [(None, "background"), ("3", "class_3")]
    assert table.questions[0] == "What are the classes called? Default: class_3"
