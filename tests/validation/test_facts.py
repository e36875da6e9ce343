"""A manifest that is read in parts is judged, and shown, as one that is held whole."""

from itertools import product

import pytest

from pipeline.artifacts import manifest as manifests
from pipeline.artifacts.manifest import COLUMNS, PIXELS
from pipeline.files import tables
from pipeline.validation import validate
from pipeline.validation.page import write_page
from tests.support.tiny_dataset import make
from tests.validation.test_validate import CHECKS, PLANTED, plant, settings


def everything(manifest):
    for check in CHECKS:
        if check != "empty_split":
            manifest, _ = plant(manifest, check)
    return manifest


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Return a manifest as it is read in parts of some rows."""

    def scanned(manifest, rows):
        monkeypatch.setattr(tables, "ROW_GROUP", rows)
        manifests.write(manifest, tmp_path)
        return manifests.scan(tmp_path)

    return scanned


@pytest.mark.parametrize(
    ("defect", "rows"),
    [
        *product(("none", "everything"), (4,)),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in product(("none", "everything"), (1, 9))),
        ("empty_split", 2),
        *(pytest.param(name, 2, marks=pytest.mark.slow) for name in PLANTED if name != "empty_split"),
    ],
)
def test_parts_are_judged_as_the_whole(tmp_path, parts, defect, rows):
    whole = make(tmp_path)
    if defect != "none":
        whole = everything(whole) if defect == "everything" else plant(whole, defect)[0]
    found = []
    for read in (whole, parts(whole, rows)):
        validation = validate.run(read, settings())
        write_page(validation, read, tmp_path, tmp_path / "page.html")
        found.append((validation, (tmp_path / "page.html").read_text()))
    assert found[0] == found[1]


def test_a_manifest_without_images_is_judged(tmp_path, parts):
    whole = make(tmp_path)
    nothing = parts(manifests.Manifest(whole.dataset, whole.classes, "", whole.images[:0][[*COLUMNS, PIXELS]]), 2)
    failed = [finding.check for finding in validate.run(nothing, settings()).errors]
    assert failed == ["class_without_training_pixels", "empty_split"]
