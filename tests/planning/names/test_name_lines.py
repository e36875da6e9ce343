"""Names in lines: with comments, titles and counts, with values before or behind them, and with colours."""

import pytest

from pipeline.planning.names import name_lines
from pipeline.planning.names.name_tables import UnclearError


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


SOIL = {0: "soil", 1: "tall weed", 2: "car"}


@pytest.mark.parametrize(
    "text",
    [
        "0: soil\n1: tall weed\n2: car",
        "id\tname\n0\tsoil\n1\ttall weed\n2\tcar",
        "ID  Class\n--  -----\n0   soil\n1   tall weed\n2   car",
        "# id: name\n0: soil\n1: tall weed\n2: car",
        "Classes:\n0 - soil\n1 - tall weed\n2 - car",
        "our classes\n0. soil\n1. tall weed\n2. car",
        "Class 0: soil\nClass 2: car\nclass 1: tall weed",
        "[0] soil\n[2] car\n[1] tall weed",
        "(1) tall weed\n(0) soil\n(2) car",
        "0 -> soil\n1 => tall weed\n2 -> car",
        "0x00 soil\n0x02 car\n0x01 tall weed",
        "labels = {\n 0: 'soil',\n 1: 'tall weed',\n 2: \"car\",\n}",
        "-1: licence plate\n0: soil\n1: tall weed\n2: car",
        "2) car\n1) tall weed\n0) soil",
        "soil (0)\ncar (2)\ntall weed (1)",
        "soil -> 0\ncar -> 2\ntall weed -> 1",
        "soil: 0\ncar: 2\ntall weed: 1",
        "car\t2\nsoil\t0\ntall weed\t1",
        "car,2\nsoil,0\ntall weed,1",
        "soil = 0\ncar = 2\ntall weed = 1",
        "soil       0\ntall weed  1\ncar        2",
        "name,id\nsoil,0\ntall weed,1\ncar,2",
        "| id | name |\n| --- | --- |\n| 0 | soil |\n| 1 | tall weed |\n| 2 | car |",
        "group\tclass\tvalue\nx\tsoil\t0\nx\ttall weed\t1\ny\tcar\t2",
    ],
)
def test_values_stand_before_names_or_behind_them(text):
    [found] = name_lines.of_lines(lines(text))
    assert (found.texts, found.is_list) == (SOIL, False)


@pytest.mark.parametrize(
    "text",
    [
        "soil\ntall weed\ncar",
        "soil, tall weed, car",
        "'soil', 'tall weed', 'car'",
        '"soil",\n"tall weed",\n"car"',
        "-----\nsoil\ntall weed\ncar\n=====",
        "# classes\nsoil\ntall weed\n// the last\ncar",
        "3\nsoil\ntall weed\ncar",
        "Classes:\nsoil\ntall weed\ncar",
        "[names]\nsoil\ntall weed\ncar",
        "class names\nsoil\ntall weed\ncar",
        "names:\n- soil\n- tall weed\n- car",
    ],
)
def test_names_alone_count_in_their_order(text):
    [found] = name_lines.of_lines(lines(text))
    assert (found.texts, found.is_list) == (SOIL, True)


@pytest.mark.parametrize(
    "text",
    [
        "soil\n1-storey\n2-storey\n3-storey",
        "soil\n1 lane\n2 lanes\n3 lanes",
        "2 wheeler\n3 wheeler\ncar",
        "car\n2 wheeler",
        "zone: 1\nzone: 2",
        "zone 1\nzone 2",
        "rock, bare\ncar",
        "🚗\n🌳",
    ],
)
def test_numbers_and_commas_may_be_parts_of_names(text):
    [found] = name_lines.of_lines(lines(text))
    assert (list(found.texts.values()), found.is_list) == (lines(text), True)


def test_numbers_after_a_space_may_be_either():
    by_number, in_order = name_lines.of_lines(["car 1", "soil 0"])
    assert (by_number.texts, by_number.is_list, by_number.by) == ({1: "car", 0: "soil"}, False, "number")
    assert (in_order.texts, in_order.is_list, in_order.by) == ({0: "car 1", 1: "soil 0"}, True, "order")


def test_numbers_behind_names_may_be_counts_where_they_are_not_consecutive():
    by_number, in_order = name_lines.of_lines(["car\t120", "soil\t30"])
    assert (by_number.texts, by_number.by) == ({120: "car", 30: "soil"}, "number")
    assert (in_order.texts, in_order.is_list) == ({0: "car", 1: "soil"}, True)


def test_of_two_names_of_a_value_the_first_counts():
    [found] = name_lines.of_lines(["0: soil", "1: road", "1: lane"])
    assert (found.texts, found.others) == ({0: "soil", 1: "road"}, {1: ["lane"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0: soil\n1: road\nlane", "expected a value before each name, got 'lane'"),
        ("soil\n1: road\n2: car", "expected a value before each name, got 'soil'"),
        ("0: soil\n300: road", "expected values up to 255, got 300"),
        ("soil\n7\nroad", "expected names, got '7'"),
        ("0\n1\n2", "expected names, got '0'"),
        ("Animals:\ncow\ncat\nPlants:\noak", "expected names, got the heading 'Animals:'"),
        ("cow\ncat\nPlants:\noak", "expected names, got the heading 'Plants:'"),
        ("cow\n[plants]\noak", r"expected names, got the heading '\[plants\]'"),
    ],
)
def test_lines_of_which_some_have_a_value_are_refused(text, message):
    with pytest.raises(UnclearError, match=f"^{message}$"):
        name_lines.of_lines(lines(text))


@pytest.mark.parametrize(
    "text", ["", "a.png\nb.png", "1 2 3 road\n4 5 6 car", "road #ff0000\ncar #00ff00", "# nothing"]
)
def test_lists_of_pictures_and_colours_are_no_names_of_values(text):
    assert name_lines.of_lines(lines(text)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("128 64 128\troad\n0 0 142\tcar", {0x804080: "road", 142: "car"}),
        ("road: 128, 64, 128\ncar: 0, 0, 142", {0x804080: "road", 142: "car"}),
        ("road (128, 64, 128)\ncar (0, 0, 142)", {0x804080: "road", 142: "car"}),
        ("zone 1 128 64 128\nother 0 0 142", {0x804080: "zone 1", 142: "other"}),
        ("128 64 128 2 wheeler\n0 0 142 car", {0x804080: "2 wheeler", 142: "car"}),
        ("0 128 64 128 road\n1 0 0 142 car", {0x804080: "road", 142: "car"}),
        ("road 0 128 64 128\ncar 1 0 0 142", {0x804080: "road", 142: "car"}),
        ("road 128 64 128 255\ncar 0 0 142 255", {0x804080: "road", 142: "car"}),
        ("128 64 128 1 road\n0 0 142 0 car", {0x804080: "road", 142: "car"}),
        ("#804080 road\n#00008e car", {0x804080: "road", 142: "car"}),
        ("road: #804080\ncar: #00008E", {0x804080: "road", 142: "car"}),
        ("0 road 128 64 128\n1 car 0 0 142", {0x804080: "road", 142: "car"}),
        ("# label:color_rgb:parts:actions\nroad:128,64,128:lane,kerb:\n", {0x804080: "road"}),
        ("zone 1 0 0 0\nzone 2 128 64 128", {0: "zone 1", 0x804080: "zone 2"}),
        ("Car 1 255 0 0\nCar 2 200 0 0\nBike 1 1 2 3", {0xFF0000: "Car 1", 0xC80000: "Car 2", 0x010203: "Bike 1"}),
        ("7 128 64 128 road\n26 0 0 142 car\n27 0 60 100 bus", {0x804080: "road", 142: "car", 0x003C64: "bus"}),
        ("road: rgb(128, 64, 128)\ncar: rgb(0, 0, 142)", {0x804080: "road", 142: "car"}),
        ("1 2 300 far\nred\n0 0 142 car", {142: "car"}),
    ],
)
def test_colours_stand_before_names_or_behind_them_with_an_id_or_not(text, expected):
    [found] = name_lines.of_colours(lines(text))
    assert found.texts == expected


def test_of_two_names_of_a_colour_the_first_counts():
    [found] = name_lines.of_colours(["0 0 142 car", "0 0 142 plate"])
    assert (found.texts, found.others) == ({142: "car"}, {142: ["plate"]})
    assert name_lines.of_colours(["no colour"]) == []
