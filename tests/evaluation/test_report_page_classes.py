"""The evaluation page with classes of any name and number, in a real browser."""

import dataclasses

import numpy as np
import pytest

from pipeline.evaluation import report
from pipeline.evaluation.report.gallery import Gallery
from tests.evaluation.test_report_page import CLASS_ORDER, write
from tests.support import right_to_left, tiny_page
from tests.support.browser import needs_browser, running
from tests.support.tiny_page import CLASSES

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser():
    with running() as tab:
        yield tab


def test_a_class_name_is_text_and_not_code(browser, tmp_path):
    name = "<img src=x onerror='injected = 1'><script>injected = 1</script>"
    classes = dataclasses.replace(CLASSES, names=(name, "sky", "car"))
    browser.window(1400)
    browser.open(write(tmp_path / "page.html", classes=classes, gallery=tiny_page.gallery(classes=classes)))
    browser.click(".card")
    assert browser.run("typeof injected") == "undefined"
    assert browser.run(CLASS_ORDER)[0] == name
    assert browser.run("document.querySelector('#viewer-classes th').textContent") == f"{name} (not in truth)"
    assert browser.complaints == []


def test_forty_classes_fit_at_400_pixels(browser, tmp_path):
    names = ("x" * 60, *(f"a class of number {i}" for i in range(39)))
    classes = dataclasses.replace(CLASSES, names=names, colours=((1, 2, 3),) * 40)
    changes = {"confusion": np.eye(40, dtype=np.int64) * 123_456, "gallery": Gallery(classes, max_characters=4000)}
    columns = {"IoU": report.Column(np.linspace(0, 1, 40))}
    browser.window(400)
    browser.open(write(tmp_path / "page.html", classes=classes, columns=columns, **changes))
    assert browser.run("document.documentElement.scrollWidth") == 400
    assert browser.run("document.querySelector('.sortable td').getBoundingClientRect().left") < 300  # beside the names
    assert browser.complaints == []


def test_long_class_names_that_differ_at_their_ends_are_read_whole(browser, tmp_path):
    names = ("construction--flat--pavement", "construction--flat--pavement-kerb", "construction--flat--pavement-low")
    classes = dataclasses.replace(CLASSES, names=names)
    browser.window(1200)
    browser.open(write(tmp_path / "page.html", classes=classes, gallery=tiny_page.gallery(classes=classes)))
    is_cut = "e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1"
    assert browser.run(f"[...document.querySelectorAll('#matrix th, #matrix th span')].filter({is_cut}).length") == 0
    assert browser.run("document.querySelector('#classes .scroll').scrollWidth") <= 1200


def test_names_from_right_to_left_reorder_nothing(browser, tmp_path):
    classes = dataclasses.replace(CLASSES, names=(right_to_left.ROAD, right_to_left.SKY, "car"))
    address = write(tmp_path / "page.html", classes=classes, gallery=tiny_page.gallery(classes=classes))
    assert right_to_left.loose((tmp_path / "page.html").read_text()) == []
    browser.window(1400)
    browser.open(address)
    browser.click(".show")
    shown = browser.run("document.documentElement.outerHTML")
    assert right_to_left.loose(shown) == []
    assert f"images with \u2068{right_to_left.ROAD}\u2069, lowest \u2068{right_to_left.ROAD}\u2069 IoU first" in shown
    browser.click(".card")
    assert right_to_left.loose(browser.run("document.documentElement.outerHTML")) == []
    assert browser.complaints == []
