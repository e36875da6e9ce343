"""Which columns of a table, or keys of records, have the names, the values and the colours."""

import csv
import json

import pytest

from pipeline.planning.names import name_tables, name_trees
from pipeline.planning.names.name_tables import UnclearError


def readings(text, kind="index"):
    return name_tables.of_rows(list(csv.reader(text.splitlines())), kind)


SOIL, ORDER = {0: "soil", 1: "road", 2: "car"}, [(True, "order")]


@pytest.mark.parametrize(
    "text",
    [
        "category,name,id\nflat,road,1\nflat,soil,0\nobject,car,2",
        "id,group,class\n0,flat,soil\n1,flat,road\n2,object,car",
        "class,category,value\nsoil,flat,0\nroad,flat,1\ncar,object,2",
        "name,id,train_images,val_images\ncar,2,100,20\nroad,1,400,80\nsoil,0,500,90",
        ",name,value\n0,road,1\n1,soil,0\n2,car,2",
        "class,name\n0,soil\n1,road\n2,car",
        "Label,Pixel Value\nsoil,0.0\nroad,1.0\ncar,2.0",
        "# id,name\n0,soil\n1,road\n2,car",
        "ID,Class\n0,soil\n1,road\n2,car\n",
        "no,what it is,name\n0,a,soil\n1,b,road\n2,c,car",
        "name,value\nlicence plate,-1\nsoil,0\nroad,1\ncar,2",
        "Bezeichnung,Id\nsoil,0\nroad,1\ncar,2",
        "name,value\nsoil,0x00\nroad,0x01\ncar,0x02",
        "name,value\nsoil,+0\nroad,+1\ncar,+2",
        'name,value\nsoil,"0,0"\nroad,"1,0"\ncar,"2,0"',
        "soil,0\nroad,1\ncar,2",
        "flat,soil,0\nflat,road,1\nobject,car,2",
        "soil,1,2,3,0\nroad,4,5,6,1\ncar,7,8,9,2",
        "0,soil,\n1,road,\n2,car,",
        "0,soil,1,2,3\n1,road,4,5,6\n2,car,7,8,9",
    ],
)
def test_names_and_values_are_told_by_titles_or_where_only_one_column_can_be(text):
    [found] = readings(text)
    assert (found.texts, found.is_list, found.others) == (SOIL, False, {})


@pytest.mark.parametrize(
    "text",
    [
        *(f"{title}\nsoil\nroad\ncar" for title in ("Classes", "Class Names", "class_names", "Labels", "names")),
        *(f"{title}\nsoil\nroad\ncar" for title in ("label names", "CATEGORY", "Category Name", "title")),
        "Classes,Color\nsoil,#000000\nroad,#ff0000\ncar,#00ff00",
        "name,r,g,b\nsoil,1,2,3\nroad,4,5,6\ncar,7,8,9",
        "soil,1,2,3\nroad,4,5,6\ncar,7,8,9",
        'soil,"(1, 2, 3)"\nroad,"(4, 5, 6)"\ncar,"(7, 8, 9)"',
        "class,description\nsoil,bare\nroad,paved\ncar,moves",
        "soil\nroad\ncar",
    ],
)
def test_names_without_values_count_in_their_order_without_their_title(text):
    [found] = readings(text)
    assert (found.texts, found.is_list) == (SOIL, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,b,g,r\nwater,255,0,0\nfire,0,0,255", {0x0000FF: "water", 0xFF0000: "fire"}),
        ("name,id,r,g,b\nwater,0,0,0,255\nfire,1,255,0,0", {0x0000FF: "water", 0xFF0000: "fire"}),
        ("zone 1,128,64,128\nzone 2,0,0,142", {0x804080: "zone 1", 0x00008E: "zone 2"}),
        ("0,road,128,64,128\n1,car,0,0,142", {0x804080: "road", 0x00008E: "car"}),
        ("class,hex\nroad,#804080\ncar,#00008e", {0x804080: "road", 0x00008E: "car"}),
        ("class,colour\nroad,128 64 128\ncar,0 0 142", {0x804080: "road", 0x00008E: "car"}),
        ('class,colour\nroad,"rgb(128, 64, 128)"\ncar,"rgba(0,0,142,1.0)"', {0x804080: "road", 142: "car"}),
        ("name,color_r,color_g,color_b\nroad,128,64,128\ncar,0,0,142", {0x804080: "road", 142: "car"}),
        ('name,color,rgb\nroad,purple,"128,64,128"\ncar,blue,"0,0,142"', {0x804080: "road", 142: "car"}),
        ("name,r,g,b,example\nroad,128,64,128,road.png\ncar,0,0,142,car.png", {0x804080: "road", 142: "car"}),
        ("road,128,64,128,255\ncar,0,0,142,255", {0x804080: "road", 142: "car"}),
        ("road,128,64,128,0\ncar,0,0,142,1", {0x804080: "road", 142: "car"}),
        ("7,road,128,64,128\n26,car,0,0,142\n27,bus,0,60,100", {0x804080: "road", 142: "car", 0x003C64: "bus"}),
        ("128,64,128,road,900\n0,0,142,car,20", {0x804080: "road", 142: "car"}),
        ("road,#804080\ncar,#00008e", {0x804080: "road", 0x00008E: "car"}),
        ("name,r,g,b\nroad,128,64,128\ncar,0,0,300", {0x804080: "road"}),
        ("name,r,g,b\nroad,128.0,64.0,128.0\ncar,0.0,0.0,142.00", {0x804080: "road", 142: "car"}),
    ],
)
def test_colours_are_told_by_titles_or_by_their_form(text, expected):
    [found] = readings(text, "colour")
    assert found.texts == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,id,trainId\nvoid,0,255\nroad,7,0\ncar,26,1", {"id": [0, 7, 26], "trainid": [0, 1, 255]}),
        ("id,name,mask_value\n1,soil,0\n2,road,1", {"id": [1, 2], "mask value": [0, 1]}),
        ("name,r,g,b\ntree,2,2,2\nsoil,0,0,0", {"colour": [0, 2], "order": [0, 1]}),
        ("name,r,g,b\nfire,255,255,255\nsoil,0,0,0", {"colour": [0, 255], "order": [0, 1]}),
        ("Klasse,Wert\ncar,2\nsoil,0", {"wert": [0, 2], "order": [0, 1]}),
        ("soil,120\nroad,30", {"numbers": [30, 120], "order": [0, 1]}),
        ("class,number\nsoil,7\nroad,1", {"number": [1, 7], "order": [0, 1]}),
        ("soil,7\nroad,1", {"numbers": [1, 7], "order": [0, 1]}),
        ("name,id,code\nsoil,0,111\nroad,1,523", {"id": [0, 1]}),
    ],
)
def test_each_column_that_may_be_the_values_is_a_reading(text, expected):
    assert {found.by: sorted(found.texts) for found in readings(text)} == expected


def test_of_several_names_of_a_label_the_first_counts():
    [found] = readings("name,r,g,b\nunlabeled,0,0,0\nstatic,0,0,0\ncar,0,0,142\nplate,0,0,142", "colour")
    assert (found.texts, found.others) == ({0: "unlabeled", 142: "car"}, {0: ["static"], 142: ["plate"]})
    [found] = readings("0,soil\n1,road\n1,lane\n1,Lane\n255,out of roi\n255,static")
    assert (found.texts, found.others) == (
        {0: "soil", 1: "road", 255: "out of roi"},
        {1: ["lane"], 255: ["static"]},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soil,0,5\nroad,1,6", "its 2 columns of numbers have no titles"),
        ("class,iou\nsoil,0.5\nroad,0.7", "none of its columns' titles says that it has the values: iou"),
        ("class,share\nsoil,50%\nroad,7%", "none of its columns' titles says that it has the values: share"),
        ("name,code\nsoil,111\nroad,523", "none of its columns' titles says that it has the values: code"),
        ("picture,class\na,cat\nb,cat", "none of its columns' titles says that it has the values: picture"),
        ("0,soil\nweed\n2,tree", "expected names, got 0"),
        ("id,name\nL0,soil\nL1,road", "expected numbers in its column id, got 'L0'"),
        ("id,name,ID\n0,soil,2\n1,road,1", "two of its columns are called 'ID'"),
        ("0\n1", "expected names, got 0"),
        ("value,r\n1,2", "none of its columns' titles says that it has the names: value, r"),
        ("Wert;Klasse;Anzahl\n0;Boden;7".replace(";", ","), "none of its columns' titles says .* values: wert, anzahl"),
        ("id,name\n0,soil\n1,", "number 2 of what it lists has no name"),
    ],
)
def test_what_does_not_say_which_value_a_name_has_is_refused(text, message):
    with pytest.raises(UnclearError, match=f"^{message}$"):
        readings(text)


def test_a_table_of_images_and_their_classes_has_no_names_and_takes_no_time():
    assert readings("id,label\n" + "".join(f"{i:x}f,{i % 2}\n" for i in range(20_000))) == []


@pytest.mark.parametrize("text", ["", "id,name", "image,class\na.png,soil\nb.jpg,road", ",\n,"])
def test_what_has_no_names_has_no_reading(text):
    assert readings(text) == []


@pytest.mark.parametrize("cell", ["16711680", "255", "red"])
def test_colours_of_another_form_are_refused(cell):
    with pytest.raises(UnclearError, match=r"^expected colours as three numbers up to 255, or in hexadecimal$"):
        readings(f"name,color\nroad,{cell}", "colour")


def test_records_are_columns_too():
    labels = [
        {"name": "unlabeled", "id": 0, "trainId": 255, "color": [0, 0, 0], "hasInstances": False},
        {"name": "road", "id": 7, "trainId": 0, "color": [128, 64, 128], "hasInstances": False},
        {"name": "plate", "id": -1, "trainId": -1, "color": [0, 0, 142], "hasInstances": True},
    ]
    tree = json.loads(json.dumps(labels))
    by = {found.by: found.texts for found in name_trees.read(tree, "index", is_bare=True)}
    assert by == {"id": {0: "unlabeled", 7: "road"}, "trainid": {255: "unlabeled", 0: "road"}}
    [found] = name_trees.read(tree, "colour", is_bare=True)
    assert found.texts == {0: "unlabeled", 0x804080: "road", 142: "plate"}
