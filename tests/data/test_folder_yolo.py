"""Annotations in fractions of an image's size need the image, which may be broken."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pipeline.artifacts import manifest
from pipeline.data import download, folder
from pipeline.files.images import read_mask
from pipeline.planning import annotated, contents
from pipeline.planning.listing import read as read_listing
from pipeline.planning.names import class_names, class_table
from pipeline.planning.proposal import propose
from pipeline.planning.sizes import Machine
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


def test_all_annotations_that_cannot_be_drawn_are_told_by_their_rows(root, tmp_path):
    for split, text in (("train", "0 0.5 0.5 1 1"), ("val", "0 0 0 1 1 2 2")):
        (root / f"labels/{split}/{split}_1.txt").write_text(text)
    download.run(of_yolo(root), LIMITS, tmp_path / "raw")
    images = manifest.read(tmp_path / "raw").images.set_index("split")
    for split in ("train", "val"):
        path = root / f"labels/{split}/{split}_1.txt"
        assert images["problem"][split].startswith(f"annotation: {path}: line 1: expected ")
        assert images["problem"][split].endswith("; correct the file")
    assert images["problem"]["test"] == ""
    assert all(images["mask"])  # none is said to be missing


def add(root, *names, split="train"):
    for name in names:
        write(root / f"images/{split}/{name}.png", np.random.default_rng(len(name)).integers(0, 256, (4, 8, 3)))


def masks_of(root):
    return {
        entry.name: entry.mask and read_mask(entry.mask.content).tolist()
        for entry in made(folder.source(of_yolo(root)))
    }


def test_an_image_without_a_text_file_shows_nothing_as_with_an_empty_one(root):
    add(root, "none_1", "empty_1")
    (root / "labels/train/empty_1.txt").touch()
    masks = masks_of(root)
    assert masks["images__train__none_1"] == masks["images__train__empty_1"] == [[0] * 8] * 4


@pytest.mark.parametrize("there", [lambda path: path.symlink_to("/nonexistent/a.txt"), lambda path: path.mkdir()])
def test_an_image_whose_text_file_is_lost_has_no_mask(root, there):
    add(root, "lost_1")
    there(root / "labels/train/lost_1.txt")
    assert masks_of(root)["images__train__lost_1"] is None


def test_where_no_image_of_a_folder_has_a_text_file_none_has_a_mask(root):
    (root / "labels/test/test_1.txt").unlink()
    add(root, "a_1", split="test")
    masks = masks_of(root)
    assert masks["images__test__test_1"] is masks["images__test__a_1"] is None
    assert masks["images__val__val_1"] is not None


def test_a_broken_1_image_without_a_text_file_is_told_by_its_row(root, tmp_path):
    (root / "images/train/broken_1.png").write_bytes(b"\x89PNG")
    download.run(of_yolo(root), LIMITS, tmp_path / "raw")
    images = manifest.read(tmp_path / "raw").images.set_index("id")
    assert "image: expected an image" in images.loc["train/images__train__broken_1", "problem"]
    assert images.loc["train/images__train__train_1", "problem"] == ""


def test_a_text_file_without_an_image_is_none_of_the_set(root):
    (root / "images/train/train_1.png").unlink()
    (root / "labels/val/classes.txt").write_text("weed\n")
    assert [entry.split for entry in made(folder.source(of_yolo(root)))] == ["test", "val"]


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("data.yaml", "names: [weed, crop]", {"0": "weed", "1": "crop"}),
        ("data.yaml", "names: {0: weed, 7: crop}", {"0": "weed", "7": "crop"}),
        ("classes.txt", "weed\ncrop\n", {"0": "weed", "1": "crop"}),
        ("other.yaml", "version: 3", {}),
        ("broken.yaml", "names: [", {}),
        ("wrong.yaml", "names: 3", {}),
        ("names.yaml", "names: data/coco.names", {}),
        ("gaps.yaml", "names: [weed, null, '', 3, crop]", {"0": "weed", "4": "crop"}),
    ],
)
def test_names_are_those_of_the_numbers(root, file, text, expected):
    (root / file).write_text(text)
    held = contents.Contents("yolo", {"a": Counter({None: 5, "0": 5})}, 1, {})
    known = class_names.of_yolo(read_listing(root), held, "labels/train/a.txt")
    assert {label: name.text for label, name in known.names.items()} == expected
    assert (known.source, known.questions) == (file if expected else "", ())


def test_a_number_without_a_name_is_to_be_named(root):
    held = contents.Contents("yolo", {"a": Counter({None: 5, "3": 5})}, 1, {})
    table = class_table.propose(held, read_listing(root), "labels/a.txt")
    assert [(row.label, row.name) for row in table.rows] == [(None, "background"), ("3", "class_3")]
    assert table.questions[0] == "What are the classes called? Default: class_3"


@pytest.mark.parametrize(
    ("files", "mask_kind"),
    [
        ({}, "yolo"),
        ({"labels/train/train_1.txt": "0 0.5 0.5 1 1\n"}, "yolo"),  # one of three has boxes: download says which
        ({"data.yaml": "kpt_shape: [4, 2]\nnames: [hand]\n"}, None),
    ],
)
def test_most_files_must_be_polygons_of_no_poses(root, files, mask_kind):
    for name, text in files.items():
        (root / name).write_text(text)
    found = annotated.find(read_listing(root))
    assert (found.kind if found else None) == mask_kind


def test_where_most_files_are_boxes_they_are_refused(root):
    for split in ("train", "val"):
        (root / f"labels/{split}/{split}_1.txt").write_text("0 0.5 0.5 1 1\n")
    with pytest.raises(ValueError, match=r"^expected masks or outlines of objects, got YOLO's boxes, as in labels/"):
        annotated.find(read_listing(root))


def test_masks_count_for_more_than_text_files(root):
    for split in ("train", "val", "test"):
        write(root / f"masks/{split}/{split}_1.png", np.ones((4, 8)))
    assert annotated.find(read_listing(root)) is None


def test_four_corners_are_asked_about(root):
    assert annotated.find(read_listing(root)).questions[0].startswith("Are the objects' four corners their outlines?")
    (root / "labels/val/val_1.txt").write_text("0 0 0 0.5 0 0.5 1\n")
    assert annotated.find(read_listing(root)).questions == ()


def test_a_broken_image_is_asked_about_and_of_the_others_the_labels_are_found(root):
    (root / "images/train/train_1.png").write_bytes(b"\x89PNG")
    proposal = propose(root, str(root), Machine(cores=2, gpus=0, gpu_bytes=0))
    asked = "Are there images to be fixed first? images/train/train_1.png: expected an image"
    assert any(question.startswith(asked) for question in proposal.questions)


def test_of_more_names_than_there_may_be_classes_those_are_taken_that_are_found(root):
    names = ", ".join(f"thing {number}" for number in range(300))
    (root / "data.yaml").write_text(f"names: [{names}]")
    held = contents.Contents("yolo", {"a": Counter({None: 5, "3": 5})}, 1000, {})
    table = class_table.propose(held, read_listing(root), "labels/a.txt")
    assert [row.name for row in table.rows] == ["background", "thing 3"]
