import json

import pytest

from pipeline.planning import json_names
from pipeline.planning.label_names import Name
from tests.planning.test_names_files import read

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
        ({"0": "wall"}, "colour", {}, False),
    ],
)
def test_names_by_value_by_name_in_order_or_as_records(tree, kind, expected, is_list):
    assert json_names.read(json.dumps(tree), kind) == (expected, is_list)


@pytest.mark.parametrize(
    ("tree", "kind"),
    [
        ({"a": "wall"}, "index"),
        ({"0": "wall", "1": 3}, "index"),
        ({"wall": 256}, "index"),
        ({"wall": True}, "index"),
        (["wall", ""], "index"),
        ([[1, 2]], "index"),
        ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], "index"),
        ([{"name": "a", "color": [1, 2]}], "colour"),
        (3, "index"),
        (["wall"], "colour"),
    ],
)
def test_another_file_is_passed_over(tmp_path, tree, kind):
    with pytest.raises((ValueError, TypeError)):
        json_names.read(json.dumps(tree), kind)
    assert read(tmp_path, {"labels.json": json.dumps(tree)}, kind) == []


@pytest.mark.parametrize("file", ["id2label.json", "config_v1.2.json", "config.json", "Label_Map.json"])
def test_files_are_known_by_their_names(tmp_path, file):
    [found] = read(tmp_path, {file: json.dumps(MAPILLARY)}, "colour")
    assert (found.names, found.path) == ({0xA52A2A: Name("Bird", False), 0: Name("Unlabeled", True)}, file)
