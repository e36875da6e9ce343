"""What becomes of a 255 that no file names, and of more values than there can be classes."""

from collections import Counter

import pytest

from pipeline.planning import listing as files
from pipeline.planning.contents import Contents
from pipeline.planning.names import class_table


def table_of(root, *held, names=""):
    """Return the table of index masks with a pixel of each value, beside a file of names."""
    (root / "a.png").touch()
    (root / "classes.txt").write_text(names)
    by_mask = {f"{i}.png": Counter(dict.fromkeys(values, 1)) for i, values in enumerate(held)}
    return class_table.propose(Contents("index", by_mask, len(by_mask), {}), files.read(root), "masks/0.png")


IGNORED = "Is 255 a class? Default: no, it is ignored"
UNSEEN = f"{IGNORED}, though no mask holds it beside another value than 0"
A_CLASS = "Is 255 a class? Default: yes, it is as far from the other values as they from each other: {}"


@pytest.mark.parametrize(
    ("held", "is_ignored", "asked"),
    [
        ([[0, 1, 255]], True, None),
        ([[0, 1, 2], [0, 255]], True, UNSEEN),
        ([[*range(150), 255]], True, None),
        ([[0, 7, 26, 255]], True, f"{IGNORED}; the other values are 0, 7, 26"),
        ([[0, 15, 255]], True, f"{IGNORED}; the other values are 0, 15"),
        ([[0, 7, 8, 255]], True, None),
        ([[0, 127, 255]], False, A_CLASS.format("0, 127")),
        ([[0, 100, 255]], False, A_CLASS.format("0, 100")),
        ([[0, 50, 100, 255]], True, f"{IGNORED}; the other values are 0, 50, 100"),
        ([[0, 128, 255]], False, None),
        ([[0, 85, 170, 255]], False, None),
    ],
)
def test_a_255_is_a_class_where_the_values_are_spread_up_to_it(tmp_path, held, is_ignored, asked):
    table = table_of(tmp_path, *held)
    assert {row.label for row in table.rows if row.ignore} == ({255} if is_ignored else set())
    assert [question for question in table.questions if "Is 255" in question] == ([asked] if asked else [])


def test_0_and_255_alone_are_classes_and_asked_about_unless_a_file_names_them(tmp_path):
    asked = "Is value 255 a class? Default: yes, the masks hold 0 and 255 alone"
    table = table_of(tmp_path, [0, 255])
    assert [(row.label, row.ignore) for row in table.rows] == [(0, False), (255, False)]
    assert asked in table.questions
    assert table_of(tmp_path, [0, 255], names="0: soil\n255: crop").questions == ()


@pytest.mark.parametrize(
    ("kind", "labels", "what", "name"),
    [
        ("colour", [0, 0xFF0000], "black", "colour_000000"),
        ("labelme", [None, "car"], "what no annotation covers", "background"),
        ("coco", [None, "car"], "what no annotation covers", "background"),
    ],
)
def test_what_may_be_void_is_asked_about(tmp_path, kind, labels, what, name):
    (tmp_path / "a.png").touch()
    contents = Contents(kind, {"0.png": Counter(dict.fromkeys(labels, 1))}, 1, {})
    table = class_table.propose(contents, files.read(tmp_path), "masks/0.png")
    assert f"Is {what} a class, or to be ignored? Default: the class {name}" in table.questions
    named = contents.by_mask["0.png"] + Counter({"void" if kind != "colour" else 1: 1})
    void = class_table.propose(Contents(kind, {"0.png": named}, 1, {}), files.read(tmp_path), "masks/0.png")
    assert any("or to be ignored?" in question for question in void.questions) == (kind == "colour")


def test_labels_that_a_sample_of_the_masks_does_not_hold_are_listed(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "classes.txt").write_text("0: soil\n1: crop\n2: weed\n")
    held = {"0.png": Counter({0: 3, 1: 1})}
    for num_masks, labels in ((1, [0, 1]), (2, [0, 1, 2])):
        table = class_table.propose(Contents("index", held, num_masks, {}), files.read(tmp_path), "masks/0.png")
        assert [row.label for row in table.rows] == labels
        assert [row.share for row in table.rows] == [0.75, 0.25, 0.0][: len(labels)]


def test_a_255_that_a_file_names_is_what_it_says(tmp_path):
    table = table_of(tmp_path, [0, 1, 255], names="0: soil\n1: crop\n255: weed\n")
    assert [(row.name, row.ignore) for row in table.rows] == [("soil", False), ("crop", False), ("weed", False)]
    table = table_of(tmp_path, [0, 1, 255], names="0: soil\n1: crop\n255: no data\n")
    assert [(row.name, row.ignore) for row in table.rows] == [("soil", False), ("crop", False), ("no data", True)]


OBJECTS = (
    "Do the values number objects, not classes? They are 1 to some number in each mask, up to 6. Default: no, each is "
    "a class. If yes: write the masks anew, with one value for all objects of a class"
)


@pytest.mark.parametrize(
    ("held", "is_asked"),
    [
        ([[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3], [0, 1, 2], [0]], True),
        ([[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 4], [0, 1, 2]], False),  # a value is missing
        ([[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6], [0, 1, 2]], False),  # two numbers alone
        ([[0, 1, 2, 3, 4], [0, 1, 2, 3], [0, 1, 2]], False),  # few
    ],
)
def test_values_that_may_number_objects_are_asked_about(tmp_path, held, is_asked):
    assert (OBJECTS in table_of(tmp_path, *held).questions) == is_asked
    names = "\n".join(f"{i}: class {i}" for i in range(7))
    assert OBJECTS not in table_of(tmp_path, *held, names=names).questions


def test_of_more_values_than_there_can_be_classes_it_is_said_that_borders_may_be_soft(tmp_path):
    (tmp_path / "a.png").touch()
    held = Counter({value: 500_000 if value in (0, 255) else 1 for value in range(256)})
    contents = Contents("index", {"0.png": held}, 1, {})
    said = (
        r"expected 2 to 255 classes in the masks, got 256 in 1 masks such as masks/0.png: are these masks\? Say which "
        r"are by --masks\. 254 values have 0\.03% of the pixels together: were the masks drawn with soft borders\? If "
        "yes: write the masks anew with hard borders"
    )
    with pytest.raises(ValueError, match=said):
        class_table.propose(contents, files.read(tmp_path), "masks/0.png")
