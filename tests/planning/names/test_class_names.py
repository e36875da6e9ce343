"""Which names labels get: which file counts, how its lists count, and what is asked."""

from collections import Counter

import pytest

from pipeline.planning import listing
from pipeline.planning.contents import Contents
from pipeline.planning.names import class_names, class_table
from pipeline.planning.names.class_names import Known
from pipeline.planning.names.label_names import Name


def known(root, files, values, kind="index", mask="masks/a.png", pictures=("a.png",)):
    for path in (*pictures, *files):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    for path, text in files.items():
        (root / path).write_text(text)
    contents = Contents(kind, {"a.png": Counter(dict.fromkeys(values, 1))}, 1, {})
    return class_names.of_pixels(contents, listing.read(root), mask)


def texts(names):
    return {label: name.text for label, name in names.names.items()}


FROM_1 = ("Is value 2 tree, the last name in classes.txt? Default: yes, it counts from 1",)
OF_VALUES = "Are the names in classes.txt those of the values {} in this order? Default: yes"
FROM_VOID = "Is value 255 void, the first name in classes.txt, and 0 car? Default: yes"
OR_255 = "Is value 255 sky, the last name in classes.txt? Default: no, it is ignored"
ALONE = "Is value 255 car, the last name in classes.txt? Default: yes, the masks hold 0 and 255 alone"
OR_FROM_1 = "Is value 0 car, the first name in classes.txt? Default: yes; but no mask that was read holds {}"
NO_NAME = "Is value 0 {}, as {} has it? Default: yes; but the masks hold 2, which has no name"
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
        ("car\ntree\n", [0, 5, 9, 11], {0: "car", 1: "tree"}, (UP_TO.format("car", 11),)),
        ("car\ntree\n", [0, 3], {0: "car", 3: "tree"}, (OF_VALUES.format("0, 3"),)),
        ("car\ntree\nsky", [0, 127, 255], {0: "car", 127: "tree", 255: "sky"}, (OF_VALUES.format("0, 127, 255"),)),
        ("car\ntree\n", [0, 127, 255], {0: "car", 127: "tree"}, (OF_VALUES.format("0, 127"),)),
        ("car\ntree", [0, 5, 9], {0: "background", 5: "car", 9: "tree"}, (OF_VALUES.format("5, 9"),)),
        ("void\ncar\ntree", [0, 5, 9], {0: "void", 5: "car", 9: "tree"}, (OF_VALUES.format("0, 5, 9"),)),
        ("car\n", [0, 255], {0: "background", 255: "car"}, (ALONE,)),
        ("soil\ncar\n", [0, 255], {0: "soil", 255: "car"}, (ALONE,)),
        ("background\n", [0, 255], {0: "background"}, ()),
        ("car\n", [0], {0: "car"}, ()),
        ("car\n", [0, 1], {0: "background", 1: "car"}, (FROM_1[0].replace("2 tree", "1 car"),)),
        ("0 car\n1 tree\n", [0, 1], {0: "car", 1: "tree"}, ()),
        ("0 car\n1 tree\n", [0, 1, 2], {0: "car", 1: "tree"}, (NO_NAME.format("car", "classes.txt"),)),
        ("0 bg\n1 tree\n", [0, 1, 2], {0: "bg", 1: "tree"}, ()),
        ("__ignore__\n_background_\ncar", [0, 1, 255], {255: "__ignore__", 0: "_background_", 1: "car"}, ()),
        ("__ignore__\n_background_\ncar", [0, 1], {255: "__ignore__", 0: "_background_", 1: "car"}, ()),
        ("__ignore__\n_background_\ncar", [0, 1, 2], {0: "__ignore__", 1: "_background_", 2: "car"}, ()),
        ("void\ncar\ntree", [0, 1, 255], {255: "void", 0: "car", 1: "tree"}, (FROM_VOID,)),
        ("car\ntree\nsky\n", [0, 1, 255], {0: "car", 1: "tree", 2: "sky"}, (OR_255,)),
        ("car", [255], {}, ()),
        (
            "car\ntree\nsky\n",
            [1, 2, 255],
            {0: "car", 1: "tree", 2: "sky"},
            (OR_FROM_1.format("0, so the list may count from 1"),),
        ),
        (
            "car\ntree\nsky\n",
            [1, 2],
            {0: "car", 1: "tree", 2: "sky"},
            (OR_FROM_1.format("0, so the list may count from 1"),),
        ),
        ("car\ntree\nsky\n", [0, 1], {0: "car", 1: "tree", 2: "sky"}, (OR_FROM_1.format("2, sky"),)),
        ("car\ntree\nsky\n", [0, 255], {0: "car", 1: "tree", 2: "sky"}, (OR_FROM_1.format("2, sky"),)),
        ("background\ntree\nsky\n", [0, 1], {0: "background", 1: "tree", 2: "sky"}, ()),
        ("void\ntree\nsky\n", [1, 2], {0: "void", 1: "tree", 2: "sky"}, ()),
        ("car\ntree\nsky\nvoid\n", [0, 2, 255], {0: "car", 1: "tree", 2: "sky", 255: "void"}, ()),
        ("car\ntree\nvoid\n", [0, 1, 255], {0: "car", 1: "tree", 255: "void"}, ()),
        ("car\ntree\nvoid\n", [0, 1, 2, 255], {0: "car", 1: "tree", 2: "void"}, ()),
    ],
)
def test_a_list_without_numbers_counts_as_the_masks_do(tmp_path, text, values, expected, asked):
    found = known(tmp_path, {"classes.txt": text}, values)
    assert (texts(found), found.questions) == (expected, asked)


@pytest.mark.parametrize(
    ("text", "values", "is_asked"),
    [
        ("0: unlabeled\n1: person\n2: car", [0, 1, 2, 255], True),
        ("unlabeled\nperson\ncar", [0, 1, 2, 255], True),
        ("0: unlabeled\n1: person\n2: car", [0, 1, 2], False),
        ("0: unlabeled\n1: person\n2: car", [1, 2, 255], False),
        ("0: soil\n1: person\n2: car", [0, 1, 2, 255], False),
        ("0: unlabeled\n1: person\n255: void", [0, 1, 255], False),
    ],
)
def test_a_void_0_beside_255_is_asked_about(tmp_path, text, values, is_asked):
    found = known(tmp_path, {"labels.txt": text}, values)
    asked = (
        "Is value 0 unlabeled, as labels.txt has it? Default: yes; but the masks hold 255 too, as where that is "
        "unlabeled, and each other value is one less than in the file"
    )
    assert found.questions == ((asked,) if is_asked else ())


def test_of_colours_black_and_blue_are_no_0_and_255(tmp_path):
    files = {"label_colors.txt": "0 0 0 Void\n0 0 255 Sky\n1 1 1 Road"}
    assert known(tmp_path, files, [0, 255, 0x010101], "colour").questions == ()
    assert known(tmp_path, {"label_colors.txt": "0 0 0 Void\n1 1 1 Road"}, [0, 255, 0x010101], "colour").questions == ()


def test_a_list_in_json_counts_likewise_and_records_with_values_do_not(tmp_path):
    found = known(tmp_path, {"classes.json": '["crop", "weed"]'}, [0, 1, 2])
    assert (texts(found), found.questions) == (
        {0: "background", 1: "crop", 2: "weed"},
        ("Is value 2 weed, the last name in classes.json? Default: yes, it counts from 1",),
    )
    found = known(tmp_path, {"classes.json": '[{"id": 0, "name": "crop"}, {"id": 1, "name": "weed"}]'}, [0, 1, 2])
    asked = (NO_NAME.format("crop", "classes.json"),)
    assert (texts(found), found.questions) == ({0: "crop", 1: "weed"}, asked)


@pytest.mark.parametrize("folder", ["SegmentationClass", "trainannot"])
def test_a_file_of_names_counts_for_more_than_the_layout(tmp_path, folder):
    mask = f"{folder}/a.png"
    assert known(tmp_path, {}, [0, 1], mask=mask).source.endswith(", by the layout")
    assert known(tmp_path, {"class_names.txt": "cat\ndog\n"}, [0, 1], mask=mask) == Known(
        {0: Name("cat", ignore=False), 1: Name("dog", ignore=False)}, "class_names.txt", is_list=True
    )


BESIDE = {"own/images/a.png", "own/masks/a.png", "detection/images/b.png"}
BOTH = "Are the classes those in {} or those in {}? Default: those in {}"
OF_OTHERS = (
    "Are the classes those in detection/classes.txt, which lies with other images or labels? Default: yes; if no, "
    "correct the names in dataset.classes"
)


@pytest.mark.parametrize(
    ("files", "values", "source", "asked"),
    [
        # the nearest, where each names all values
        (
            {"detection/classes.txt": "crop\nweed", "own/classes.txt": "soil\ntree"},
            [0, 1],
            "own/classes.txt",
            [BOTH.format("own/classes.txt", "detection/classes.txt", "own/classes.txt")],
        ),
        # the one that names more of the values, as Mapillary's two versions
        (
            {
                "config_v1.2.json": '{"labels": ["e", "f", "g"]}',
                "config_v2.0.json": '{"labels": ["e", "x", "f", "g", "h"]}',
            },
            [0, 1, 2, 4],
            "config_v2.0.json",
            [BOTH.format("config_v2.0.json", "config_v1.2.json", "config_v2.0.json")],
        ),
        # of the same names nothing is to be asked, whatever others there are
        ({"classes.txt": "crop\nweed", "own/labels.txt": "Crop\n weed"}, [0, 1], "own/labels.txt", []),
        ({"classes.txt": "bg\nweed", "own/labels.txt": "bg\nweed\nsoil"}, [0, 1], "own/labels.txt", []),
        ({"detection/classes.txt": "crop\nweed"}, [0, 1], "detection/classes.txt", [OF_OTHERS]),
        ({"meta/classes.txt": "crop\nweed"}, [0, 1], "meta/classes.txt", []),
        ({"det/classes.txt": "crop\nweed"}, [0, 1], "det/classes.txt", []),  # not the folder detection
        ({"meta/classes.txt": "crop\nweed", **{f"meta/{i}.md": "" for i in range(4)}}, [0, 1], "meta/classes.txt", []),
        (
            {"boxes/classes.txt": "crop\nweed", **{f"boxes/labels/{i}.txt": "0 1 1 1 1" for i in range(5)}},
            [0, 1],
            "boxes/classes.txt",
            [OF_OTHERS.replace("detection", "boxes")],
        ),
        (
            {"classes.txt": "none\nb\nc\nd\ne\nf\ng\nh"},
            [0, 1, 2],
            "classes.txt",
            [
                "Are the classes those in classes.txt, which names more than twice as many? Default: yes; if no, "
                "correct the names in dataset.classes"
            ],
        ),
        ({"classes.txt": "none\nb\nc\nd\ne\nf"}, [0, 1, 2], "classes.txt", []),
    ],
)
def test_of_several_files_one_counts_and_the_others_are_asked_about(tmp_path, files, values, source, asked):
    found = known(tmp_path, files, values, mask="own/masks/a.png", pictures=BESIDE)
    assert (found.source, list(found.questions)) == (source, asked)


def test_a_file_of_other_colours_is_not_these_masks(tmp_path):
    files = {"label_colors.txt": "64 128 64 Animal\n0 0 0 Void\n"}
    assert known(tmp_path, files, [0x010203], "colour") == Known({})
    assert known(tmp_path, files, [0, 0x010203], "colour").source == "label_colors.txt"


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
