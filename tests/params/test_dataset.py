"""dataset.path: a folder, or an address in an object store."""

import pytest

from tests.params.test_params import FOLDER, changed, load, refusal

PATH = "path: data/fields"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (
            "ftp://host/own",
            "dataset.path: expected s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or th",
        ),
        ("s3://user:secret@bucket", "without credentials and options, got s3://bucket; correct the address"),
        ("file:///own", "or the path of a folder, without credentials and options, got file:///own; correct the"),
    ],
)
def test_an_address_of_no_object_store_is_refused(tmp_path, path, line):
    assert line in refusal(tmp_path, changed(FOLDER, PATH, f"path: {path}"))


def test_an_address_may_stand_where_a_folder_does(tmp_path):
    taken = load(tmp_path, changed(FOLDER, PATH, "path: s3://bucket/fields"))
    assert taken.dataset.path == "s3://bucket/fields"


def test_names_of_classes_that_nobody_tells_apart_are_refused(tmp_path):
    line = (
        "dataset: expected names of classes that differ in more than case, blanks, the encoding of letters and "
        "characters that are not seen, got"
    )
    assert f"{line} 'crop' and ' Crop'; write" in refusal(tmp_path, changed(FOLDER, "name: weed", 'name: " Crop"'))
    composed, decomposed = "R\u00fcbe", "Ru\u0308be"
    text = FOLDER.replace("name: crop", f'name: "{composed}"').replace("name: weed", f'name: "{decomposed}"')
    assert f"{line} '{composed}' and '{decomposed}'; write" in refusal(tmp_path, text)


@pytest.mark.parametrize("unseen", ["\u200b", "\u00ad", "\u2060", "\ufeff", "\u200d", "\ufe0f", "\u034f", "\U000e0061"])
@pytest.mark.parametrize("where", ["crop{}", "{}crop", "cr{}op"])
def test_names_of_classes_that_differ_in_what_is_not_seen_are_refused(tmp_path, unseen, where):
    name = where.format(unseen)
    text = FOLDER.replace("name: weed", f'name: "{name}"')
    assert f"that are not seen, got 'crop' and {name!a}; write one" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (r"a\nb", r"'a\nb'"),
        (r"a\tb", r"'a\tb'"),
        (r"a\u2028b", r"'a\u2028b'"),
        (r"\u202etest", r"'\u202etest'"),
        (r"\u200b", r"'\u200b'"),
        (" ", "' '"),
    ],
)
@pytest.mark.parametrize("row", ["name: weed", "name: unlabelled"])
def test_a_class_is_named_in_one_line_that_can_be_seen(tmp_path, row, name, shown):
    assert row in FOLDER
    line = f"name: expected the name of a class in one line that can be seen, got {shown}; write it without control"
    assert line in refusal(tmp_path, FOLDER.replace(row, f'name: "{name}"'))


@pytest.mark.parametrize("name", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u2764\ufe0f", "Stra\u00dfe"])
def test_joiners_and_selectors_that_alter_their_neighbours_are_kept(tmp_path, name):
    taken = load(tmp_path, FOLDER.replace("name: weed", f'name: "{name}"'))
    assert name in {row.name for row in taken.dataset.classes}
