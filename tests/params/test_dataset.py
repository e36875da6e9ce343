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
    line = "dataset: expected names of classes that differ in more than case, blanks and the encoding of letters, got"
    assert f"{line} 'crop' and ' Crop'; write" in refusal(tmp_path, changed(FOLDER, "name: weed", 'name: " Crop"'))
    composed, decomposed = "R\u00fcbe", "Ru\u0308be"
    text = FOLDER.replace("name: crop", f'name: "{composed}"').replace("name: weed", f'name: "{decomposed}"')
    assert f"{line} '{composed}' and '{decomposed}'; write" in refusal(tmp_path, text)
