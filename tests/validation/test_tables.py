import math

import numpy as np
import pandas as pd
import pytest

from pipeline.validation import tables as validation_tables
from pipeline.validation.facts import gather
from pipeline.validation.tables import summary
from tests.support.tiny_dataset import change, drop, flip, make, value


def tables_of(manifest):
    """Return the tables with what is judged beside all rows in words."""
    tables = validation_tables.tables_of(gather(manifest), 8)
    return {name: worded(table, range(len(next(iter(table.columns.values()))))) for name, table in tables.items()}


def worded(table, rows):
    return table.described(np.array(rows)).assign(**{key: values[rows] for key, values in table.columns.items()})


@pytest.fixture
def manifest(tmp_path):
    return make(tmp_path)


def test_the_summary_counts_images_sizes_and_shares(manifest):
    changed = drop(change(manifest, ["train/1"], width=64, sequence="other"), "val")
    train, val, test = summary(gather(changed))
    assert (train.name, train.images, train.sequences) == ("train", 3, 2)
    assert train.sizes == {"40 x 32": 2, "64 x 32": 1}
    assert train.shares == {"road": 640 / 1152, "sky": 512 / 1152}
    assert train.void_share == 128 / 1280
    assert (val.images, val.sizes, val.shares, val.void_share) == (0, {}, {"road": 0, "sky": 0}, 0)
    assert test.images == 3


def test_the_share_ratio_is_the_largest_share_over_the_smallest(manifest):
    sky = tables_of(change(manifest, ["val/"], pixels=[1024, 128, 128]))["classes"].loc[1]
    assert sky["share_ratio"] == pytest.approx(4)  # 512 / 1152 over 128 / 1152
    assert sky["shares"] == "train 44.44%, val 11.11%, test 44.44%"


def test_the_share_ratio_of_a_class_that_a_split_lacks_is_infinite(manifest):
    classes = tables_of(change(manifest, ["val/"], pixels=[1152, 0, 128]))["classes"]
    assert classes.loc[1, "share_ratio"] == math.inf


def test_a_split_without_labels_has_no_part_in_the_share_ratio(manifest):
    classes = tables_of(change(manifest, ["val/"], pixels=[0, 0, 1280]))["classes"]
    assert classes["share_ratio"].tolist() == [1, 1]


def test_a_class_without_any_pixel_has_no_share_ratio(manifest):
    classes = tables_of(change(manifest, ["train/", "val/", "test/"], pixels=[640, 0, 640]))["classes"]
    assert classes["share_ratio"].isna().tolist() == [False, True]


def test_an_image_of_a_later_split_is_paired_with_the_nearest_of_all_earlier_ones(manifest):
    near = flip(value(manifest, "train/2", "phash"), 5)
    nearer = flip(value(manifest, "val/1", "phash"), 2)
    pairs = tables_of(change(change(manifest, ["val/0"], phash=near), ["test/2"], phash=nearer))["nearest pairs"]
    assert pairs["name"].tolist()[:2] == ["val/1 ~ test/2", "train/2 ~ val/0"]
    assert pairs["bits"].tolist() == [2, 5, 9, 9, 9, 9]  # counted up to 9
    assert pairs["name"].tolist()[2:] == ["test/0", "test/1", "val/1", "val/2"]


def test_an_unreadable_image_is_judged_by_nothing_but_its_problem(manifest):
    unreadable = {"height": 0, "width": 0, "contrast": 0.0, "phash": "", "problem": "image: broken"}
    tables = tables_of(change(manifest, ["val/0"], **unreadable))
    row = tables["images"].set_index("name").loc["val/0"]
    assert row[["image_size", "contrast"]].isna().all()
    assert row[["sizes_differ", "turned_in_doubt"]].isna().tolist() == [True, False]
    assert row["mask_size"] == "40 x 32"
    assert len(tables["nearest pairs"]) == 5


def test_a_sequence_says_how_many_images_it_has_in_which_split(manifest):
    sequences = tables_of(change(manifest, ["val/1", "train/2"], sequence="test street"))["sequences"]
    shared = sequences.set_index("name").loc["test street"]
    assert shared["where"] == "train 1, val 1, test 3"
    assert shared["shown"] == ("train/2", "val/1", "test/0")


@pytest.mark.parametrize("name", ["images", "files", "nearest pairs", "sequences", "classes", "splits"])
def test_some_rows_are_worded_as_among_all(manifest, name):
    doubled = change(manifest, ["train/0", "test/1"], sha256="same", sequence="shared")
    alike = change(doubled, ["test/2"], phash=value(manifest, "val/0", "phash"))
    table = validation_tables.tables_of(gather(alike), 8)[name]
    length = len(next(iter(table.columns.values())))
    all_rows = worded(table, range(length))
    for rows in ([0], [length - 1], list(range(0, length, 2))):
        pd.testing.assert_frame_equal(
            worded(table, rows).reset_index(drop=True), all_rows.iloc[rows].reset_index(drop=True)
        )


def test_what_is_judged_takes_a_few_bytes_for_each_image(manifest):
    tables = validation_tables.tables_of(gather(manifest), 8)
    assert sum(column.nbytes for table in tables.values() for column in table.columns.values()) <= 60 * 9


def test_masks_without_image_share_no_sequence(manifest):
    alone = {"image": "", "sha256": "", "sequence": "", "phash": "", "height": 0, "width": 0}
    tables = tables_of(change(manifest, ["train/0", "val/0"], **alone))
    assert tables["sequences"]["num_splits"].tolist() == [1, 1, 1]
    assert len(tables["files"]) == 7


def test_a_file_names_its_first_image_of_each_split_and_shows_all(manifest):
    files = tables_of(change(manifest, ["test/1", "train/0", "train/2"], sha256="same"))["files"]
    same = files.set_index("name").loc["train/0 = test/1"]
    assert same["shown"] == ("train/0", "test/1", "train/2")
    assert (same["num_splits"], same["where"]) == (2, "train 2, test 1")
    assert len(files) == 7


def test_what_is_left_out_counts_neither_for_classes_nor_for_splits(manifest):
    broken = change(manifest, ["train/"], problem="mask: broken")
    tables = tables_of(broken)
    assert tables["classes"]["training_pixels"].tolist() == [0, 0]
    assert tables["splits"]["num_images"].tolist() == [0, 3, 3]


TURNED = "EXIF orientation 6 of the image, 1 of the mask"
LYING, STANDING = (32, 40), (40, 32)


@pytest.mark.parametrize(
    ("tags", "image", "mask", "doubt"),
    [
        ((1, 1), LYING, LYING, ""),
        ((6, 6), LYING, LYING, ""),
        ((3, 1), LYING, LYING, "EXIF orientation 3 of the image, 1 of the mask"),
        ((1, 2), LYING, LYING, "EXIF orientation 1 of the image, 2 of the mask"),
        ((6, 8), LYING, LYING, "EXIF orientation 6 of the image, 8 of the mask"),
        ((6, 1), LYING, LYING, ""),  # as stored, the image stands: the mask was drawn over it as shown
        ((6, 1), LYING, STANDING, ""),  # drawn over it as stored: another size, which has a check of its own
        ((6, 1), (32, 32), (32, 32), TURNED),
    ],
)
def test_orientations_are_in_doubt_where_the_sizes_do_not_tell(manifest, tags, image, mask, doubt):
    sizes = dict(zip(("height", "width", "mask_height", "mask_width"), (*image, *mask), strict=True))
    changed = change(manifest, ["val/0"], orientation=tags[0], mask_orientation=tags[1], **sizes)
    row = tables_of(changed)["images"].set_index("name").loc["val/0"]
    assert (row["in_doubt"], row["turned_in_doubt"]) == (doubt, bool(doubt))


def test_orientations_of_what_cannot_be_read_are_not_judged(manifest):
    changed = change(manifest, ["val/0"], orientation=0, height=0, width=0)
    assert pd.isna(tables_of(changed)["images"].set_index("name").loc["val/0", "turned_in_doubt"])
