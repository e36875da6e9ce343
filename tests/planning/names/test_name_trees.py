import json

import pytest

from pipeline.planning.names import name_trees
from pipeline.planning.names.label_names import Name
from tests.planning.names.test_names_files import read

MAPILLARY = {
    "labels": [
        {"name": "animal--bird", "readable": "Bird", "color": [165, 42, 42], "instances": True, "evaluate": True},
        {"name": "void--unlabeled", "readable": "Unlabeled", "color": [0, 0, 0], "evaluate": False},
    ],
    "version": 1.1,
}


@pytest.mark.parametrize(
    ("tree", "kind", "expected", "is_list"),
    [
        ({"0": "wall", "2": "floor"}, "index", {0: "wall", 2: "floor"}, False),
        ({"id2label": {"0": "wall", "1": "floor"}, "model_type": "x"}, "index", {0: "wall", 1: "floor"}, False),
        ({"wall": 0, "floor": 7}, "index", {0: "wall", 7: "floor"}, False),
        (["wall", " floor "], "index", {0: "wall", 1: "floor"}, True),
        (MAPILLARY, "index", {0: "Bird", 1: "Unlabeled"}, True),
        (MAPILLARY, "colour", {0xA52A2A: "Bird", 0: "Unlabeled"}, False),
        ([{"id": 3, "name": "car"}, {"id": 1, "name": "bus"}], "index", {3: "car", 1: "bus"}, False),
        ({"classes": [{"title": "car", "value": 9}]}, "index", {9: "car"}, False),
        ({"#ff0000": "car", "00FF00": "bus"}, "colour", {0xFF0000: "car", 0x00FF00: "bus"}, False),
        ({"car": [1, 2, 3], "bus": "#040506"}, "colour", {0x010203: "car", 0x040506: "bus"}, False),
        ({"classes": [{"title": "car", "color": "#010203"}]}, "colour", {0x010203: "car"}, False),
        ({"classes": [{"title": "car", "color": "#010203"}]}, "index", {0: "car"}, True),
        ([{0: "void", 3: "grass"}, {0: [0, 0, 0], 3: [0, 255, 0]}], "index", {0: "void", 3: "grass"}, False),
        ([{0: "void", 3: "grass"}, {0: [0, 0, 0], 3: [0, 255, 0]}], "colour", {0: "void", 0x00FF00: "grass"}, False),
        ([{2: "wall"}, {0: "floor"}], "index", {2: "wall", 0: "floor"}, False),
        ({"facade": [1, 2, 3], "wall": [4, 5, 6]}, "colour", {0x010203: "facade", 0x040506: "wall"}, False),
        ({"facade": "#010203", "wall": "#040506"}, "colour", {0x010203: "facade", 0x040506: "wall"}, False),
        ({"names": {0: "wall", 2: "floor"}, "nc": 2}, "index", {0: "wall", 2: "floor"}, False),
        ({"label2id": {"wall": "0", "floor": "7"}}, "index", {0: "wall", 7: "floor"}, False),
        ({"wall": 0.0, "floor": 7.0}, "index", {0: "wall", 7: "floor"}, False),
        ({"1": "0", "0": "1"}, "index", {1: "0", 0: "1"}, False),  # digits
        ({"1": 0, "0": 1}, "index", {0: "1", 1: "0"}, False),
        ({"void": -1, "wall": 0}, "index", {0: "wall"}, False),
    ],
)
def test_names_by_value_by_name_in_order_or_as_records(tree, kind, expected, is_list):
    [found] = name_trees.read(tree, kind, is_bare=True)
    assert (found.texts, found.is_list) == (expected, is_list)


@pytest.mark.parametrize(
    ("tree", "kind"),
    [
        ({"a": "wall"}, "index"),
        ({"0": "wall", "1": 3}, "index"),
        ({"wall": 256}, "index"),
        ({"wall": True}, "index"),
        (["wall", ""], "index"),
        ([[1, 2]], "index"),
        ([{"id": 1, "name": "a"}, {"id": 2}], "index"),
        (3, "index"),
        (["wall"], "colour"),
        ({"0": "wall"}, "colour"),
        ({"wall": "#12345"}, "colour"),
        ({"wall": [1, 2, 300]}, "colour"),
    ],
)
def test_another_file_is_passed_over(tmp_path, tree, kind):
    with pytest.raises((ValueError, TypeError)):
        name_trees.read(tree, kind, is_bare=True)
    assert read(tmp_path, {"labels.json": json.dumps(tree)}, kind) == []


@pytest.mark.parametrize("tree", [{"epochs": 2, "batch": 1}, {"train": "images", "nc": 3}])
def test_what_a_file_holds_besides_names_is_none(tmp_path, tree):
    assert name_trees.read(tree, "index", is_bare=False) == []
    assert read(tmp_path, {"config.json": json.dumps(tree), "data.yaml": json.dumps(tree)}) == []


@pytest.mark.parametrize("file", ["id2label.json", "config_v1.2.json", "config.json", "Label_Map.json"])
def test_files_are_known_by_their_names(tmp_path, file):
    [found] = read(tmp_path, {file: json.dumps(MAPILLARY)}, "colour")
    assert (found.names, found.path) == ({0xA52A2A: Name("Bird", False), 0: Name("Unlabeled", True)}, file)
