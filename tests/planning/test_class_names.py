from collections import Counter

import pytest

from pipeline.planning import class_names, class_table, listing
from pipeline.planning.class_names import Name
from pipeline.planning.contents import Contents


def known(root, files, kind="index", mask="masks/a.png"):
    (root / "a.png").touch()
    for path, text in files.items():
        (root / path).write_text(text)
    return class_names.known(listing.read(root), kind, mask)


_OBJECTS = {0: "other objects", 1: "wall", 2: "edifice"}
IGNORED = {"Void", "ignore", "other objects"}


FROM_1 = ("Is value 2 tree, the last name in classes.txt? Default: yes, it counts from 1",)
ALONE = "Is value 255 car, the last name in classes.txt? Default: yes, the masks hold 0 and 255 alone"
UP_TO = (
    "Is value 0 {}, the first name in classes.txt? Default: yes; the masks hold values up to {}, and its last name is "
    "that of 1"
)


@pytest.mark.parametrize(
    ("text", "values", "expected", "asked"),
    [
        ("car\ntree\n", [0, 1], {0: "car", 1: "tree"}, ()),
        ("car\ntree\n", [0, 1, 255], {0: "car", 1: "tree"}, ()),
        ("car\ntree\n", [1, 2], {1: "car", 2: "tree"}, FROM_1),
        ("car, tree", [0, 1, 2, 255], {0: "background", 1: "car", 2: "tree"}, FROM_1),
        ("background\ntree\n", [0, 1, 2], {0: "background", 1: "tree"}, (UP_TO.format("background", 2),)),
        ("void\ntree\n", [1, 2], {0: "void", 1: "tree"}, (UP_TO.format("void", 2),)),
        ("car\ntree\n", [0, 3], {0: "car", 1: "tree"}, (UP_TO.format("car", 3),)),
        ("car\n", [0, 255], {0: "background", 255: "car"}, (ALONE,)),
        ("soil\ncar\n", [0, 255], {0: "soil", 255: "car"}, (ALONE,)),
        ("background\n", [0, 255], {0: "background"}, ()),
        ("car\n", [0], {0: "car"}, ()),
        ("car\n", [0, 1], {0: "background", 1: "car"}, (FROM_1[0].replace("2 tree", "1 car"),)),
        ("0 car\n1 tree\n", [0, 1, 2], {0: "car", 1: "tree"}, ()),  # it says how it counts
    ],
)
def test_a_list_without_numbers_counts_from_1_where_the_masks_do(tmp_path, text, values, expected, asked):
    names, source = known(tmp_path, {"classes.txt": text})
    counted, questions = class_names.counted(names, source, listing.read(tmp_path), values)
    assert ({value: name.text for value, name in counted.items()}, questions) == (expected, asked)


def test_what_is_no_list_is_not_counted_anew(tmp_path):
    names, source = known(tmp_path, {"dataset.json": '{"labels": {"car": 0, "tree": 1}}'})
    assert class_names.counted(names, source, listing.read(tmp_path), [0, 1, 2]) == (names, ())
    assert class_names.counted({}, "", listing.read(tmp_path), [0, 1, 2]) == ({}, ())


@pytest.mark.parametrize("folder", ["SegmentationClass", "trainannot"])
def test_a_file_of_names_counts_for_more_than_the_layout(tmp_path, folder):
    mask = f"{folder}/a.png"
    assert known(tmp_path, {}, mask=mask)[1].endswith(", by the layout")
    assert known(tmp_path, {"class_names.txt": "cat\ndog\n"}, mask=mask) == (
        {0: Name("cat", ignore=False), 1: Name("dog", ignore=False)},
        "class_names.txt",
    )


@pytest.mark.parametrize(
    ("file", "text", "kind", "expected"),
    [
        ("dataset.json", '{"labels": {"soil": 0, "ignore": 3}}', "index", {0: "soil", 3: "ignore"}),
        ("dataset.json", '{"labels": {"0": "soil", "1": "weed"}}', "index", {0: "soil", 1: "weed"}),
        ("label_colors.txt", "64 128 64\tAnimal\n0 0 0\t\tVoid\n", "colour", {0x408040: "Animal", 0: "Void"}),
        ("class_dict.csv", "name,r,g,b\nAnimal,64,128,64\nVoid,0,0,0\n", "colour", {0x408040: "Animal", 0: "Void"}),
        ("labelmap.txt", "# label:color_rgb:parts:actions\ncow:1,2,3::\n", "colour", {0x010203: "cow"}),
        (
            "objectInfo150.txt",
            "Idx\tName\n1\twall\n2\tedifice, building\n",
            "index",
            {0: "other objects", 1: "wall", 2: "edifice"},
        ),
        ("classes.txt", "soil\nweed\n", "index", {0: "soil", 1: "weed"}),
        ("labels.txt", "1: cat\n2: dog\n", "index", {1: "cat", 2: "dog"}),
        ("labels.txt", "0 soil\n1 tall weed\n", "index", {0: "soil", 1: "tall weed"}),
        ("labels.txt", "2 wheeler\ncar\n", "index", {0: "2 wheeler", 1: "car"}),
        ("classes.txt", "sky, grass,car\n", "index", {0: "sky", 1: "grass", 2: "car"}),
        (
            "class_dict.csv",
            "id,name,r,g,b\n0,Void,0,0,0\n1,Animal,64,128,64\n",
            "colour",
            {0: "Void", 0x408040: "Animal"},
        ),
        ("label_colors.txt", "1 2 3\n4 5 256 far\n4 5 6 near\n", "colour", {0x040506: "near"}),
        ("label_colors.txt", "128 0 0 1 grass\n0 0 0 0 Void\n", "colour", {0x800000: "grass", 0: "Void"}),
    ],
)
def test_names_are_read_from_the_files_that_data_sets_have(tmp_path, file, text, kind, expected):
    names, source = known(tmp_path, {file: text}, kind)
    assert ({label: name.text for label, name in names.items()}, source) == (expected, file)
    assert {name.text for name in names.values() if name.ignore} <= {"Void", "ignore", "other objects"}
    assert any(name.ignore for name in names.values()) == bool(
        {"Void", "ignore", "other objects"} & set(expected.values())
    )


@pytest.mark.parametrize("text", ["", "[]", "{", '{"labels": 3}', '{"labels": {"a": [1, 2]}}', "\xff\xfe"])
def test_another_file_of_that_name_is_passed_over(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("latin-1"))
    assert known(tmp_path, {}) == ({}, "")


def test_well_known_sets_are_recognised_by_their_names(tmp_path):
    voc, _ = known(tmp_path, {}, mask="VOC2012/SegmentationClass/2007_1.png")
    assert (voc[0].text, voc[15].text, voc[20].text, len(voc)) == ("background", "person", "tvmonitor", 21)
    cities, _ = known(tmp_path, {}, mask="gtFine/train/ulm/ulm_1_2_gtFine_labelIds.png")
    assert (cities[7], cities[33], cities[0]) == (Name("road", False), Name("bicycle", False), Name("ignored", True))
    assert sum(not name.ignore for name in cities.values()) == 19
    camvid, _ = known(tmp_path, {}, mask="trainannot/0001.png")
    assert (camvid[0].text, camvid[11]) == ("Sky", Name("unlabelled", True))


def test_placeholders_say_the_value_or_the_colour():
    assert class_names.placeholders([3], "index") == {3: Name("class_3", False)}
    assert class_names.placeholders([0xFF0080], "colour") == {0xFF0080: Name("colour_ff0080", False)}


HUMAN, ROAD = (250, 50, 83), (51, 221, 255)
LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nhuman:250,50,83::\nroad:51,221,255::\n"


@pytest.mark.parametrize(
    ("palette", "source", "names"),
    [
        ({0: (0, 0, 0), 1: HUMAN, 2: ROAD}, "labelmap.txt", ["background", "human", "road"]),
        ({0: (0, 0, 0), 1: ROAD, 2: HUMAN}, "labelmap.txt", ["background", "road", "human"]),
        ({0: (0, 0, 0), 1: HUMAN, 2: (1, 2, 3)}, "Pascal VOC's, by the layout", ["background", "aeroplane", "bicycle"]),
        ({0: (0, 0, 0), 1: HUMAN}, "Pascal VOC's, by the layout", ["background", "aeroplane", "bicycle"]),
        ({}, "Pascal VOC's, by the layout", ["background", "aeroplane", "bicycle"]),
    ],
)
def test_a_palettes_colours_are_named_by_a_file_of_colours_before_the_layout(tmp_path, palette, source, names):
    (tmp_path / "a.png").touch()
    (tmp_path / "labelmap.txt").write_text(LABELMAP)
    contents = Contents("index", {"a": Counter({0: 5, 1: 3, 2: 1, 255: 1})}, 1, palette)
    table = class_table.propose(contents, listing.read(tmp_path), "SegmentationClass/a.png")
    assert (table.source, [row.name for row in table.rows if row.label != 255]) == (source, names)


def test_a_palettes_colours_are_named_by_a_file_of_colours_where_no_layout_is_known(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "labelmap.txt").write_text(LABELMAP)
    contents = Contents("index", {"a": Counter({0: 5, 1: 3, 2: 1})}, 1, {0: (0, 0, 0), 1: ROAD, 2: HUMAN})
    table = class_table.propose(contents, listing.read(tmp_path), "masks/a.png")
    assert (table.source, [row.name for row in table.rows]) == ("labelmap.txt", ["background", "road", "human"])
