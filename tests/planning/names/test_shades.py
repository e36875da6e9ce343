"""Colours that stand for values, and such that do not."""

from collections import Counter

import pytest

from pipeline.planning import listing
from pipeline.planning.contents import Contents
from pipeline.planning.names import class_table


def table_of(root, files, *masks):
    (root / "f.png").touch()
    for path, text in files.items():
        (root / path).write_text(text)
    by_mask = {str(i): Counter(dict.fromkeys(held, 1)) for i, held in enumerate(masks)}
    return class_table.propose(Contents("colour", by_mask, len(masks), {}), listing.read(root), "masks/a.png")


def names(table):
    return {row.label: row.name for row in table.rows}


LIST = {"classes.txt": "background\nroad\ncar"}
ASKED = "Are the masks' colours values, such as 1 for {}? Default: yes, named by those in {}"


@pytest.mark.parametrize(("unit", "shown"), [(0x010101, "010101"), (0x010000, "010000")])
def test_grey_and_dark_red_stand_for_values(tmp_path, unit, shown):
    table = table_of(tmp_path, LIST, [0, unit, 2 * unit])
    assert names(table) == {0: "background", unit: "road", 2 * unit: "car"}
    assert (table.source, table.questions) == ("classes.txt", (ASKED.format(shown, "classes.txt"),))


def test_what_is_asked_about_the_values_is_asked_too(tmp_path):
    table = table_of(tmp_path, {"classes.txt": "road\ncar"}, [0, 0x010101, 0x020202])
    assert names(table) == {0: "background", 0x010101: "road", 0x020202: "car"}
    assert table.questions == (
        ASKED.format("010101", "classes.txt"),
        "Is value 2 car, the last name in classes.txt? Default: yes, it counts from 1",
    )


def test_void_is_void_in_grey_too(tmp_path):
    table = table_of(tmp_path, {"labels.txt": "1: road\n2: car\n255: void"}, [0xFFFFFF, 0x010101, 0x020202])
    assert [row.name for row in table.rows if row.ignore] == ["void"]


@pytest.mark.parametrize(
    "held",
    [
        [0, 0x010101, 0x020000],  # grey and red
        [0, 0xFF0000],  # a red to be seen
        [0, 0x000100, 0x000200],
    ],
)
def test_other_colours_are_no_values(tmp_path, held):
    table = table_of(tmp_path, LIST, held)
    assert not any("values" in question for question in table.questions)
    assert table.questions[0].startswith("What are the classes called?")


def test_a_file_of_colours_counts_for_more(tmp_path):
    files = {**LIST, "label_colors.txt": "0 0 0 soil\n1 1 1 tree\n2 2 2 sky"}
    table = table_of(tmp_path, files, [0, 0x010101, 0x020202])
    assert (list(names(table).values()), table.questions) == (["soil", "tree", "sky"], ())


def test_what_could_not_be_read_is_asked_about_where_there_are_no_names(tmp_path):
    table = table_of(tmp_path, {"classes.txt": "0: soil\n1: road\nlane"}, [0, 0x010101, 0x020202])
    assert table.questions[1].startswith(
        "Are the classes those in classes.txt, which could not be read: expected a value"
    )
    assert len(table.questions) == 3


def test_without_names_of_values_the_colours_are_to_be_named(tmp_path):
    table = table_of(tmp_path, {}, [0, 0x010101, 0x020202])
    assert table.questions[0] == "What are the classes called? Default: colour_000000, colour_010101, colour_020202"
