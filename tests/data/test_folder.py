import json

import numpy as np
import pytest
from PIL import Image

from pipeline.data import folder, labels
from pipeline.files.images import read_header, read_mask
from pipeline.params.dataset import FolderDataset
from tests.support.made import made

SOIL = {"name": "soil", "value": 10, "colour": [128, 96, 64], "ignore": False}
CROP = {"name": "crop", "value": 20, "colour": [0, 160, 0], "ignore": False}
WEED = {"name": "weed", "value": 30, "colour": [200, 0, 0], "ignore": False}
GRASS = {"name": "weed", "value": 31, "colour": [200, 200, 0], "ignore": False}
NOTHING = {"name": "nothing", "value": 255, "colour": [255, 255, 255], "ignore": True}
ROWS = [SOIL, CROP, WEED, GRASS, NOTHING]


@pytest.fixture
def root(tmp_path):
    """A data set of three fields, one per split: images of mixed sizes, and index masks."""
    root = tmp_path / "fields"
    for split, size in (("train", (3, 2)), ("val", (5, 7)), ("test", (40, 33))):
        write(root / f"images/{split}/{split}_1.jpg", np.zeros((*size, 3)))
        write(root / f"masks/{split}/{split}_1.png", np.full(size, 20))
    return root


def write(path, values, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path, **options)


def settings(root, **changes):
    tree = {
        "name": "folder",
        "title": "fields",
        "path": str(root),
        "images": "images/**/*.*",
        "masks": "masks/**/*.*",
        "mask_kind": "index",
        "classes": ROWS,
        "sequence": r"([^/_]+)_[^/]*$",
        "splits": {"by": "folder", "train": "train", "val": "val", "test": "test"},
    }
    return FolderDataset.model_validate_json(json.dumps(tree | changes))


def entries(root, **changes):
    """The entries that `make` returns, by split and name."""
    return {f"{e.split}/{e.name}": e for e in made(folder.source(settings(root, **changes)))}


def test_images_are_copied_and_masks_hold_class_indices(root, tmp_path):
    write(root / "masks/train/train_1.png", [[10, 20], [30, 31], [255, 20]])

    by_name = entries(root)

    entry = by_name["train/images__train__train_1"]
    assert sorted(by_name) == ["test/images__test__test_1", "train/images__train__train_1", "val/images__val__val_1"]
    assert entry.image.place == "images/train/images__train__train_1.jpg"
    assert entry.image.content == (root / "images/train/train_1.jpg").read_bytes()
    assert entry.mask.place == "masks/train/images__train__train_1.png"
    assert read_mask(entry.mask.content).tolist() == [[0, 1], [2, 2], [3, 1]]
    assert (entry.sequence, entry.problem, entry.outside) == ("train", "", 0)
    assert entry.outside_mask is None


def test_rows_of_one_name_are_one_class_and_ignored_rows_give_void_its_colour(root):
    classes = folder.class_table(settings(root).classes)

    assert classes.names == ("soil", "crop", "weed")
    assert classes.colours == ((128, 96, 64), (0, 160, 0), (200, 0, 0))
    assert classes.void_colour == (255, 255, 255)


def test_pixels_outside_the_class_table_are_counted_and_become_void(root):
    write(root / "masks/train/train_1.png", [[10, 11], [12, 20], [255, 0]])

    entry = entries(root)["train/images__train__train_1"]

    assert read_mask(entry.mask.content).tolist() == [[0, 3], [3, 1], [3, 3]]
    assert (entry.outside, entry.labels_outside) == (3, "0 (1 px), 11 (1 px), 12 (1 px)")
    assert read_mask(entry.outside_mask.content).tolist() == [[0, 1], [1, 0], [0, 1]]
    assert read_header(entry.outside_mask.content)[0] == "1"


def test_colour_masks_are_read_by_the_colours_of_the_table(root):
    for path in root.glob("masks/*/*.png"):
        write(path, np.broadcast_to([0, 160, 0], (4, 4, 3)))
    write(root / "masks/train/train_1.png", [[[128, 96, 64], [200, 200, 0]], [[255, 255, 255], [128, 96, 65]]])
    rgba = Image.fromarray(np.array([[[200, 0, 0, 255]]], np.uint8))
    rgba.save(root / "masks/val/val_1.png")
    palette = Image.new("P", (1, 1))
    palette.putpalette([128, 96, 64])
    palette.save(root / "masks/test/test_1.png")

    by_name = entries(root, mask_kind="colour", classes=[row | {"value": None} for row in ROWS])

    assert read_mask(by_name["train/images__train__train_1"].mask.content).tolist() == [[0, 2], [3, 3]]
    assert by_name["train/images__train__train_1"].labels_outside == "[128, 96, 65] (1 px)"
    assert read_mask(by_name["val/images__val__val_1"].mask.content).tolist() == [[2]]
    assert read_mask(by_name["test/images__test__test_1"].mask.content).tolist() == [[0]]


def test_a_palette_mask_is_read_by_its_indices(root):
    palette = Image.new("P", (2, 1), 10)
    palette.putpalette([1, 2, 3] * 21)
    palette.putpixel((1, 0), 20)
    palette.save(root / "masks/train/train_1.png")

    assert read_mask(entries(root)["train/images__train__train_1"].mask.content).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ((0, 160, 0), ""),
        ((7, 7, 7), ""),  # of no class
        ((0, 0, 0), ""),
        (
            (200, 0, 0),
            "mask: expected a palette in which value 20 has the colour of its class, crop, got (200, 0, 0), that of "
            "weed; set dataset.mask_kind to colour if colours tell the classes, otherwise correct the colours of "
            "dataset.classes",
        ),
    ],
)
def test_a_palette_that_gives_a_value_another_class_s_colour_is_told(root, second, problem):
    palette = Image.new("P", (2, 1), 10)
    palette.putpixel((1, 0), 20)
    palette.putpalette([0, 0, 0] * 10 + [128, 96, 64] + [200, 0, 0] * 9 + list(second))
    palette.save(root / "masks/train/train_1.png")
    assert entries(root)["train/images__train__train_1"].problem == problem


def test_a_mask_that_cannot_be_read_is_told_and_kept_as_it_was(root):
    write(root / "masks/train/train_1.png", np.zeros((2, 2, 3)))
    (root / "masks/val/val_1.png").write_bytes(b"no image")

    by_name = entries(root)

    assert "mask: expected an index mask of one channel, got 3 (RGB)" in by_name["train/images__train__train_1"].problem
    assert "mask: expected an image" in by_name["val/images__val__val_1"].problem
    assert by_name["val/images__val__val_1"].mask.content == b"no image"


def test_a_transparent_colour_mask_is_told(root):
    write(root / "masks/train/train_1.png", [[[0, 160, 0, 7]]])

    by_name = entries(root, mask_kind="colour")

    assert by_name["train/images__train__train_1"].problem.startswith("mask: expected an opaque colour mask")


def test_missing_images_and_masks_are_entries_that_stop_nothing(root):
    (root / "images/train/train_1.jpg").unlink()
    (root / "masks/val/val_1.png").unlink()

    by_name = entries(root)

    assert by_name["train/masks__train__train_1"].image is None
    assert by_name["train/masks__train__train_1"].mask is not None
    assert by_name["val/images__val__val_1"].mask is None
    assert by_name["val/images__val__val_1"].image is not None


def test_a_listed_image_that_is_not_there_is_an_entry_without_image_and_mask(root):
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text(f"images/{split}/{split}_1.jpg\n")
    (root / "test.txt").write_text("images/test/test_2.jpg\nimages/test/test_1.jpg\n")

    by_name = entries(root, splits={"by": "list", "train": "train.txt", "val": "val.txt", "test": "test.txt"})

    entry = by_name["test/images__test__test_2"]
    assert (entry.image, entry.mask, entry.problem) == (None, None, "")
    assert len(by_name) == 4


def test_a_ratio_deals_whole_sequences(root):
    for field in range(4):
        for number in range(3):
            write(root / f"images/f{field}_{number}.png", [[0]])
            write(root / f"masks/f{field}_{number}.png", [[10]])

    by_name = entries(root, splits={"by": "ratio", "train": 0.5, "val": 0.25, "test": 0.25, "seed": 1})

    assert len(by_name) == 15
    for sequence in ("f0", "f1", "f2", "f3"):
        assert len({e.split for e in by_name.values() if e.sequence == sequence}) == 1


def test_names_are_safe_as_file_names_and_unique(root):
    for name in ("a/b_1.png", "a__b_1.png", "x y_1.png", f"{'long' * 60}_1.png"):
        write(root / "images/train" / name, [[0]])
        write(root / "masks/train" / name, [[10]])

    names = sorted(key.removeprefix("train/") for key in entries(root) if key.startswith("train/"))

    assert len(names) == 5
    assert "images__train__x_y_1" in names
    assert sum(name.startswith("images__train__a__b_1") for name in names) == 2
    assert max(map(len, names)) <= 167


def test_images_without_a_sequence_are_an_error(root):
    with pytest.raises(
        ValueError, match=r"expected dataset.sequence \(x\+\)_ to match every .*, got images/train/train_1.jpg"
    ):
        entries(root, sequence="(x+)_")


def test_a_mask_without_an_image_needs_no_sequence(root):
    (root / "images/train/train_1.jpg").unlink()

    assert entries(root, sequence=r"([^/]+)\.jpg$")["train/masks__train__train_1"].sequence == ""


def test_a_folder_that_is_not_there_is_an_error(root):
    with pytest.raises(ValueError, match=r"expected a folder as dataset.path, got .*/nowhere; correct the path"):
        entries(root, path=str(root / "nowhere"))


def test_a_mask_of_more_than_one_strip_is_converted_whole(root):
    mask = np.random.default_rng(0).choice([10, 20, 31, 255, 7], (1500, 1601)).astype(np.uint8)
    chosen = settings(root)
    classes = folder.class_table(chosen.classes)

    indices, unknown, outside = labels.to_index(mask, labels.labels(chosen, classes), classes.void)

    for value, index in ((10, 0), (20, 1), (31, 2), (255, 3), (7, 3)):
        assert (indices[mask == value] == index).all()
    assert outside == {7: (mask == 7).sum()}
    assert (unknown == (mask == 7)).all()


def test_a_list_may_name_what_no_file_system_holds(root):
    for split, path in {"train": "y" * 300, "val": "b" * 200, "test": "a\0b"}.items():
        (root / f"{split}.txt").write_text(f"{path}\nimages/{split}/{split}_1.jpg\n")
    by_name = entries(root, splits={"by": "list", "train": "train.txt", "val": "val.txt", "test": "test.txt"})
    assert [entry.image is None for entry in by_name.values()] == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]  # test, train, val, each by name
