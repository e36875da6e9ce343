import pytest

from pipeline.planning.names import label_names
from pipeline.planning.names.label_names import Name


@pytest.mark.parametrize(
    "name",
    [
        *("Void", "ignore", "Ignored", "__ignore__", "ignore_label", "ignore region", "Unlabelled", "un-labeled"),
        *("unknown", "not labeled", "undefined", "unclassified", "No Data", "no-data", "nodata", "NO_LABEL"),
        *("don't care", "DontCare", "do not care", "invalid", "invalid pixels", "void/unlabelled", "unlabel"),
        *("out_of_roi", "unannotated", "void (unlabeled)", "Not classified", "void class", "ignore_index", "N/A"),
        "nodata value",
    ],
)
def test_names_of_pixels_that_do_not_count(name):
    assert label_names.named(name) == Name(name, ignore=True)


@pytest.mark.parametrize(
    "name", ["", "_", "devoid", "avoid", "background", "data", "label", "unknown car", "care", "other objects"]
)
def test_names_of_classes(name):
    assert label_names.named(name) == Name(name, ignore=False)


@pytest.mark.parametrize(
    ("name", "is_rest"), [("_background_", True), ("Back-ground", True), ("bg", True), ("other", True), ("car", False)]
)
def test_what_no_other_class_is_about(name, is_rest):
    assert label_names.is_rest(name) == is_rest


def test_placeholders_say_the_value_or_the_colour():
    assert label_names.placeholders([3], "index") == {3: Name("class_3", False)}
    assert label_names.placeholders(["3"], "yolo") == {"3": Name("class_3", False)}
    assert label_names.placeholders([0xFF0080], "colour") == {0xFF0080: Name("colour_ff0080", False)}
