"""Which files beside masks have names, and what they say."""

import pytest

from pipeline.planning import listing
from pipeline.planning.names import names_files


def read(root, files, kind="index"):
    (root / "a.png").touch()
    for path, text in files.items():
        (root / path).write_text(text)
    return names_files.read_all(listing.read(root), kind)[0]


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
            {0: "unlabelled", 1: "wall", 2: "edifice"},
        ),
        ("labels.txt", "1: cat\n2: dog\n", "index", {1: "cat", 2: "dog"}),
        ("labels.txt", "0 soil\n1 tall weed\n", "index", {0: "soil", 1: "tall weed"}),
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
    [found] = read(tmp_path, {file: text}, kind)
    assert ({label: name.text for label, name in found.names.items()}, found.path) == (expected, file)
    assert not found.is_list
    ignored = {name.text for name in found.names.values() if name.ignore}
    assert ignored == {"Void", "ignore", "unlabelled"} & set(expected.values())


CLASSES = {0: "soil", 1: "tall weed"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "soil\ntall weed\n"),
        ("class.txt", "soil, tall weed"),
        ("CLASSES.TXT", "soil\ntall weed"),
        ("label_list.txt", "\ufeffsoil\r\n\r\ntall weed"),
        ("obj.names", "soil\ntall weed\n"),
        ("class_names.csv", "soil\ntall weed\n"),
        ("classes.csv", "sep=;\nclass name\nsoil\ntall weed\n"),
        ("class_dict.csv", "name,r,g,b\nsoil,1,2,3\ntall weed,4,5,6\n"),
        ("classes.json", '["soil", "tall weed"]'),
        ("data.yaml", "names: [soil, tall weed]\nnc: 2\n"),
        ("data.yaml", "names: {0: soil, 1: tall weed}\n"),
        ("labels.yml", "- soil\n- tall weed\n"),
        ("classes.txt", "['soil', 'tall weed']"),
        ("classes.txt", '[\n"soil",\n"tall weed"\n]'),
        ("meta.json", '{"classes": [{"title": "soil", "color": "#010203"}, {"title": "tall weed"}]}'),
    ],
)
def test_names_without_values_are_lists(tmp_path, file, text):
    [found] = read(tmp_path, {file: text})
    assert ({label: name.text for label, name in found.names.items()}, found.is_list) == (CLASSES, True)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("_classes.csv", "Pixel Value, Class\n0, soil\n1, tall weed\n"),
        ("classes.csv", "name,id\nsoil,0\ntall weed,1\n"),
        ("class_dict.csv", "id,name,r,g,b\n0,soil,1,2,3\n1,tall weed,4,5,6\n"),
        ("labels.csv", '0;soil;"the ground"\n1;tall weed;x\n'),
        ("class_map.tsv", "0\tsoil\n1\ttall weed\n"),
        (
            "label_map.pbtxt",
            'item {\n id: 0\n name: \'soil\'\n}\nitem {\n  name: "n"\n  id: 1\n display_name: "tall weed"\n}',
        ),
        ("label_map.pbtxt", "item { id: 0, name: 'soil' }\nitem {\n id: 1,\n name: 'tall weed',\n}"),
        ("labels.txt", "{0: 'soil', 1: 'tall weed'}"),
        ("labels.txt", '{"soil": 0, "tall weed": 1}'),
        ("labels.json", '{"0": {"name": "soil"}, "1": {"name": "tall weed"}}'),
        ("labels.json", '{"soil": {"id": 0}, "tall weed": {"id": 1}}'),
        ("labels.yaml", "names: {0: soil, 1: tall weed}\n"),
        ("data.yaml", "names: {1: tall weed, 0: soil}\n"),
        ("ontology.yaml", "- {0: soil, 1: tall weed}\n- {0: [1, 2, 3], 1: [4, 5, 6]}\n"),
    ],
)
def test_names_with_values_are_no_lists(tmp_path, file, text):
    [found] = read(tmp_path, {file: text})
    assert ({label: name.text for label, name in found.names.items()}, found.is_list) == (CLASSES, False)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("class_dict_seg.csv", "name, r, g, b\nsoil, 1, 2, 3\ntall weed, 4, 5, 6\n"),
        ("class_list.json", '{"#010203": "soil", "#040506": "tall weed"}'),
        (
            "meta.json",
            '{"classes": [{"title": "soil", "color": "#010203"}, {"title": "tall weed", "color": "#040506"}]}',
        ),
        ("classes.txt", "soil 1 2 3\ntall weed 4 5 6"),
        ("labels.txt", "soil;1;2;3\ntall weed;4;5;6"),
        ("palette.json", '{"soil": [1, 2, 3], "tall weed": [4, 5, 6]}'),
    ],
)
def test_names_of_colours(tmp_path, file, text):
    [found] = read(tmp_path, {file: text}, "colour")
    assert {label: name.text for label, name in found.names.items()} == {0x010203: "soil", 0x040506: "tall weed"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("names.txt", "b.png\nc.png\n"),
        ("labels.json", '{"b.png": 0, "c.png": 1}'),
        ("names.txt", "a\ncrop\n"),  # a.png is a picture
        ("labelmap.txt", "# label:color_rgb:parts:actions\ncow:1,2,3::\n"),
        ("classes.csv", "0,soil\n1,\n"),
        ("classes.csv", "0,soil\n300,weed\n"),
        ("classes.csv", "0,soil\nweed\n2,tree\n"),
        ("classes.csv", ""),
        ("classes.csv", '"' + "x" * 200_000 + '"'),
        ("label_map.pbtxt", "item { id: 1 }"),
        ("label_map.pbtxt", "item {\n name: 'soil'\n}"),
    ],
)
def test_what_is_no_names_of_values_is_passed_over(tmp_path, file, text):
    assert read(tmp_path, {file: text}) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"labels": 3}', '{"labels": {"a": [1, 2]}}', "\xff\xfe"])
def test_another_file_of_that_name_is_passed_over(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("latin-1"))
    assert read(tmp_path, {}) == []


def test_a_large_file_is_no_file_of_names(tmp_path):
    assert (
        read(tmp_path, {"classes.txt": "soil\nroad" + " " * (1 << 20), "labels.txt": "soil\nroad"})[0].path
        == "labels.txt"
    )


def test_numbers_in_some_names_are_no_values(tmp_path):
    [found] = read(tmp_path, {"labels.txt": "2 wheeler\ncar\n"})
    assert ({label: name.text for label, name in found.names.items()}, found.is_list) == (
        {0: "2 wheeler", 1: "car"},
        True,
    )


def test_a_comma_in_one_of_several_names_is_part_of_it(tmp_path):
    [found] = read(tmp_path, {"labels.txt": "rock, bare\ncar\n"})
    assert {label: name.text for label, name in found.names.items()} == {0: "rock, bare", 1: "car"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("dataset.json", '{"labels": {"soil": 0}}'),
        ("objectInfo150.txt", "Idx\tName\n1\twall\n"),
        ("classes.txt", "soil\nweed"),
        ("label_map.pbtxt", "item {\n id: 1\n name: 'soil'\n}"),
        ("classes.csv", "0,soil\n1,weed"),
    ],
)
def test_names_of_values_are_none_of_colours(tmp_path, file, text):
    assert read(tmp_path, {file: text}, "colour") == []


def test_all_files_are_read_in_order_of_their_paths(tmp_path):
    files = {"labels.txt": "b\nc", "classes.json": '["c"]', "label_colors.txt": "1 2 3 d", "names.txt": " \n"}
    assert [file.path for file in read(tmp_path, files)] == ["classes.json", "labels.txt"]
    assert [file.path for file in read(tmp_path, files, "colour")] == ["label_colors.txt"]
