"""What is asked about names: columns, palettes, layouts and files that do not say the same, and what was not read."""

from collections import Counter

import pytest

from pipeline.planning import listing
from pipeline.planning.contents import Contents
from pipeline.planning.names import class_names, class_table
from tests.planning.names.test_class_names import known, texts

CITYSCAPES = "name,id,trainId\nunlabeled,0,255\nroad,7,0\ncar,26,1\nego vehicle,1,255\n"
BY_TRAIN_ID = (
    "Are the classes those in labels.csv by trainid or those in labels.csv by id? "
    "Default: those in labels.csv by trainid"
)


def table_of(root, files, values, palette=None, mask="masks/a.png"):
    (root / "a.png").touch()
    for path, text in files.items():
        (root / path).write_text(text)
    by_mask = {str(i): Counter(held) for i, held in enumerate(values)}
    return class_table.propose(Contents("index", by_mask, len(values), palette or {}), listing.read(root), mask)


def test_of_two_columns_of_values_the_one_counts_of_which_masks_hold_more(tmp_path):
    found = known(tmp_path, {"labels.csv": CITYSCAPES}, [0, 1, 255])
    assert (texts(found), found.questions) == ({0: "road", 1: "car", 255: "ignored"}, (BY_TRAIN_ID,))
    found = known(tmp_path, {"labels.csv": CITYSCAPES}, [0, 1, 7, 26])
    assert texts(found) == {0: "unlabeled", 7: "road", 26: "car", 1: "ego vehicle"}
    assert len(found.questions) == 1


def test_a_column_that_says_the_same_of_what_masks_hold_is_not_asked_about(tmp_path):
    found = known(tmp_path, {"labels.csv": "name,id,value\nsoil,0,0\nroad,1,1\ncar,2,9\n"}, [0, 1])
    assert (texts(found)[0], texts(found)[1], found.questions) == ("soil", "road", ())


def test_two_names_of_one_label_are_asked_about_where_masks_hold_it(tmp_path):
    files = {"label_colors.txt": "0 0 142 car\n0 0 142 plate\n0 0 0 void\n9 9 9 wall\n9 9 9 fence"}
    asked = "Is colour 00008e car or plate, as label_colors.txt has both? Default: car"
    assert known(tmp_path, files, [0, 142], "colour").questions == (asked,)
    files = {"label_colors.txt": "0 0 255 sky\n0 0 255 water\n0 0 0 soil"}
    asked = "Is colour 0000ff sky or water, as label_colors.txt has both? Default: sky"
    assert known(tmp_path, files, [0, 255], "colour").questions == (asked,)
    files = {"labels.txt": "0: soil\n1: road\n1: lane\n1: kerb"}
    asked = "Is value 1 road or lane, kerb, as labels.txt has both? Default: road"
    assert known(tmp_path, files, [0, 1]).questions == (asked,)


def test_a_file_that_counts_from_1_is_asked_about_where_masks_may_count_from_0(tmp_path):
    files = {"labels.txt": "1: soil\n2: road\n3: car"}
    asked = "Is value 1 soil, as labels.txt has it? Default: yes; but the masks hold 0 and no 3"
    assert known(tmp_path, files, [0, 1, 2]).questions == (asked,)
    assert known(tmp_path, files, [0, 1, 2, 3]).questions == ()
    assert known(tmp_path, files, [1, 2]).questions == ()
    files = {"labels.txt": "1: soil\n2: road\n3: car\n255: void"}
    assert known(tmp_path, files, [0, 1, 2, 255]).questions == (asked,)


def test_a_file_with_values_counts_for_more_than_a_list(tmp_path):
    found = known(tmp_path, {"classes.txt": "road\nsoil", "labels.csv": "id,name\n0,soil\n1,road"}, [0, 1])
    asked = "Are the classes those in labels.csv or those in classes.txt? Default: those in labels.csv"
    assert (texts(found), found.questions) == ({0: "soil", 1: "road"}, (asked,))


def test_a_layout_is_not_taken_where_masks_hold_other_values(tmp_path):
    mask = "gtFine/a_gtFine_labelIds.png"
    found = known(tmp_path, {}, [0, 7, 39], mask=mask)
    asked = "Are the classes Cityscapes', by the layout? Default: no, they have no value 39"
    assert (found.names, found.questions) == ({}, (asked,))
    found = known(tmp_path, {}, [*range(34), 255], mask=mask)
    assert (found.names[7].text, found.questions) == ("road", ())


def test_a_sure_layout_counts_for_more_than_a_list_that_lacks_values(tmp_path):
    files = {"classes.txt": "\n".join(f"class {i}" for i in range(19))}
    found = known(tmp_path, files, range(34), mask="gtFine/a_gtFine_labelIds.png")
    assert found.names[7].text == "road"
    assert found.questions == (
        "Are the classes Cityscapes', by the layout or those in classes.txt? Default: Cityscapes', by the layout",
    )


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"classes.txt": "0: soil\n1: road\nlane"}, "classes.txt, which could not be read: expected a value before "),
        ({"class_iou.csv": "class,iou\na,0.5\nb,0.7"}, "class_iou.csv, which could not be read: none of its columns'"),
        (
            {"labels.txt": '0: soil\n1: ""'},
            "labels.txt, which could not be read: expected names, got '1:'",
        ),
        ({"labels.txt": f"soil\n{'x' * 201}"}, "labels.txt, which could not be read: expected names of up to 200 char"),
        ({"labels.json": '["soil", "\\u200b"]'}, "labels.json, which could not be read: expected names of up to 200"),
        ({"classes.json": '"road"'}, "classes.json, which could not be read: expected a list or a mapping of names? "),
        (
            {"classes.json": '["a", "b"'},
            "classes.json, which could not be read: expected JSON: Expecting ',' delimiter: ",
        ),
        ({"classes.yaml": "[a, b"}, "classes.yaml, which could not be read: expected YAML? "),
        ({"classes.json": '["a", 3]'}, "classes.json, which could not be read: expected a name, or a record with "),
        ({"labels.json": '{"labels": {"wall": 300}}'}, "labels.json, which could not be read: expected a name, and "),
    ],
)
def test_a_file_of_names_that_was_not_read_is_asked_about(tmp_path, files, why):
    found = known(tmp_path, files, [0, 1])
    [question] = found.questions
    assert question.startswith(f"Are the classes those in {why}")
    assert question.endswith("? Default: no; if yes, correct that file, and run segnet init again")
    assert known(tmp_path, {**files, "names.txt": "soil\nroad"}, [0, 1]).questions == ()


def test_text_that_is_not_utf_8_is_asked_about_and_utf_16_is_read(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "classes.txt").write_bytes("Straße\nWeg".encode("cp1252"))
    contents = Contents("index", {"a": Counter({0: 1, 1: 1})}, 1, {})
    [question] = class_names.of_pixels(contents, listing.read(tmp_path), "masks/a.png").questions
    assert "classes.txt, which could not be read: expected text in UTF-8; save it so? Default: no" in question
    (tmp_path / "classes.txt").write_bytes("Straße\nWeg".encode("utf-16"))
    found = class_names.of_pixels(contents, listing.read(tmp_path), "masks/a.png")
    assert (texts(found), found.questions) == ({0: "Straße", 1: "Weg"}, ())


def test_settings_of_other_programs_are_no_names_that_were_not_read(tmp_path):
    assert known(tmp_path, {"config.json": '{"labels": ["a", 3]}', "meta.json": "{"}, [0, 1]).questions == ()


PALETTE = {0: (0, 0, 0), 1: (51, 221, 255), 255: (9, 9, 9)}
COLOURS = "0 0 0 soil\n51 221 255 road\n9 9 9 wall\n1 1 1 car"


@pytest.mark.parametrize(
    ("palette", "row_255"),
    [
        (PALETTE, ("wall", False)),
        ({**PALETTE, 255: (51, 221, 255)}, ("ignored", True)),  # filled up with another's colour
        ({**PALETTE, 255: (2, 2, 2)}, ("ignored", True)),
    ],
)
def test_255_has_the_name_of_its_own_colour_in_the_palette(tmp_path, palette, row_255):
    table = table_of(tmp_path, {"label_colors.txt": COLOURS}, [[0, 1, 255]], palette)
    assert [(row.name, row.ignore) for row in table.rows] == [("soil", False), ("road", False), row_255]


def test_a_palette_counts_for_more_than_a_list_which_is_asked_about(tmp_path):
    files = {"label_colors.txt": COLOURS, "classes.txt": "soil\ncar"}
    table = table_of(tmp_path, files, [[0, 1]], PALETTE)
    assert ([row.name for row in table.rows], table.questions) == (
        ["soil", "road"],
        (
            "Are the classes those in label_colors.txt by the masks' palette or those in classes.txt? Default: those "
            "in label_colors.txt by the masks' palette",
        ),
    )


def test_a_palette_and_the_order_of_the_same_file_are_not_asked_about(tmp_path):
    files = {"class_dict.csv": "name,r,g,b\nroad,51,221,255\nsoil,0,0,0"}
    assert table_of(tmp_path, files, [[0, 1]], PALETTE).questions == ()


def test_two_names_of_a_palettes_colour_are_asked_about(tmp_path):
    files = {"label_colors.txt": f"{COLOURS}\n51 221 255 lane"}
    table = table_of(tmp_path, files, [[0, 1]], PALETTE)
    assert table.questions == ("Is the colour of value 1 road or lane, as label_colors.txt has both? Default: road",)


@pytest.mark.parametrize("name", ["boundary", "void"])
def test_a_255_that_a_file_names_is_not_taken_for_1(tmp_path, name):
    files = {"labels.txt": f"0: soil\n1: crack\n255: {name}"}
    table = table_of(tmp_path, files, [[0, 1], [0, 255]])
    assert [(row.name, row.ignore) for row in table.rows][1:] == [("crack", False), (name, name == "void")]
    assert table.questions == ()


def test_a_name_that_may_be_void_or_the_rest_is_asked_about(tmp_path):
    table = table_of(tmp_path, {"classes.txt": "background/unlabeled\ncar"}, [[0, 1]])
    assert [row.ignore for row in table.rows] == [False, False]
    assert table.questions == ("Is background/unlabeled to be ignored? Default: no, it is a class",)


def test_of_yolo_data_yaml_counts_for_more_than_a_list_which_is_asked_about(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "data.yaml").write_text("names: [car, tree]")
    (tmp_path / "classes.txt").write_text("tree\ncar")
    contents = Contents("yolo", {"a": Counter({"0": 1, "1": 1})}, 1, {})
    found = class_names.of_yolo(listing.read(tmp_path), contents, "labels/a.txt")
    assert (texts(found), found.questions) == (
        {"0": "car", "1": "tree"},
        ("Are the classes those in data.yaml or those in classes.txt? Default: those in data.yaml",),
    )


@pytest.mark.parametrize("file", ["data.yaml", "id2label.json"])
def test_names_of_a_detectors_or_classifiers_outputs_count_as_the_masks_do(tmp_path, file):
    text = {"data.yaml": "names: {0: crop, 1: weed}", "id2label.json": '{"0": "crop", "1": "weed"}'}[file]
    found = known(tmp_path, {file: text}, [0, 1, 2])
    assert texts(found) == {0: "background", 1: "crop", 2: "weed"}
    assert found.questions == (f"Is value 2 weed, the last name in {file}? Default: yes, it counts from 1",)
