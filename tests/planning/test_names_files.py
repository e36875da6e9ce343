"""Which files beside masks have names, and what they say."""

import pytest

from pipeline.planning import listing, names_files


def read(root, files, kind="index"):
    (root / "a.png").touch()
    for path, text in files.items():
        (root / path).write_text(text)
    return names_files.read_all(listing.read(root), kind)


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
    [found] = read(tmp_path, {file: text}, kind)
    assert ({label: name.text for label, name in found.names.items()}, found.path) == (expected, file)
    assert found.is_list == ((file.endswith("s.txt") and text[0].isalpha()) or text.startswith("2 wh"))
    ignored = {name.text for name in found.names.values() if name.ignore}
    assert ignored == {"Void", "ignore", "other objects"} & set(expected.values())


@pytest.mark.parametrize("text", ["", "[]", "{", '{"labels": 3}', '{"labels": {"a": [1, 2]}}', "\xff\xfe"])
def test_another_file_of_that_name_is_passed_over(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("latin-1"))
    assert read(tmp_path, {}) == []


def test_all_files_are_read_in_order_of_their_paths(tmp_path):
    files = {"labels.txt": "a\nb", "classes.json": '["c"]', "label_colors.txt": "1 2 3 d", "names.txt": " \n"}
    assert [file.path for file in read(tmp_path, files)] == ["classes.json", "labels.txt"]
    assert [file.path for file in read(tmp_path, files, "colour")] == ["label_colors.txt"]
