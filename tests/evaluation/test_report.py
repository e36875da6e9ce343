import dataclasses
import json
import re

import numpy as np
import pytest

from pipeline.core.calibration import Reliability
from pipeline.evaluation import report
from pipeline.evaluation.report import Column, Score
from pipeline.evaluation.report.gallery import Gallery
from tests.support import hostile, tiny_page
from tests.support.tiny_page import CAR, CLASSES, SKY


@pytest.fixture
def written(tmp_path):
    """A function that writes a page, and returns the HTML before its data, and the data."""

    def write(**changes):
        report.write(tmp_path / "page.html", tiny_page.page(**changes))
        html = (tmp_path / "page.html").read_text("utf-8")
        visible, data = re.fullmatch(
            r'(.*)<script type="application/json" id="data">(.*?)</script>.*', html, re.S
        ).groups()
        return visible, json.loads(data)

    return write


def test_the_same_page_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        report.write(tmp_path / name, tiny_page.page(gallery=tiny_page.gallery()))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_score_stands_beside_its_interval_and_the_papers(written):
    html, _ = written()
    card = re.search(r'<div class="score">.*?mIoU.*?</div>', html, re.S)[0]
    words = " ".join(re.sub("<[^>]+>", " ", card).split())
    assert words == "Mean IoU mIoU 48.3% 45.1% to 50.5% paper 60.1% (\u221211.8)"
    assert "no interval" not in card


def test_a_score_without_interval_and_paper_says_so(written):
    card = re.findall(r'<div class="score">.*?</div>', written()[0], re.S)[1]
    assert "no interval" in card
    assert "not in the paper" in card


def test_what_is_not_defined_is_shown_as_not_available(written):
    nothing = np.zeros(4, np.int64)
    html, _ = written(
        scores=[Score("Boundary F1", "BF", float("nan"), None, 0.4684)],
        confusion=np.zeros((3, 3), np.int64),
        reliability=Reliability(nothing, nothing, nothing.astype(float)),
    )
    assert '<p class="value">n/a</p>' in html
    assert '<td data-value="">' in html
    assert "<span>n/a</span>" in html
    assert not re.search(r"\bnan\b", html, re.I)


def test_names_are_escaped(written):
    name = "<script>alert('&')</script>"
    classes = dataclasses.replace(CLASSES, names=(name, "sky", "car"))
    gallery = Gallery(classes, max_characters=4000)
    photo, truth, prediction, uncertainty, counts = tiny_page.image("e")
    gallery.add(f"</script>{name}", photo, truth, prediction, uncertainty=uncertainty, counts_CC=counts)
    html, data = written(classes=classes, gallery=gallery, title=name, facts={name: name})
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;" in html
    assert data["pictures"][0]["id"] == f"</script>{name}"  # and the data did not end there


def test_the_page_refers_to_nothing_outside_itself(tmp_path):
    report.write(tmp_path / "page.html", tiny_page.page())
    html = (tmp_path / "page.html").read_text()
    targets = re.findall(r'(?:src|href|url|@import)\s*[=(]\s*"?([^")>\s]*)', html)
    assert {target for target in targets if not target.startswith("#")} == {
        "data:,",
        "uri('photo'",
        "uri(root.dataset.layer",
    }
    assert "http:" not in html
    assert "https:" not in html
    assert "default-src 'none'; img-src data:;" in html


def test_the_largest_confusion_is_named_first(written):
    html, _ = written()
    # Columns of 8 pixels: 5 cars as road (e) and 1 (c) of 7, 2 roads as sky (b) of 12; 8 of them wrong.
    html = re.sub("</?bdi>", "", html)
    named = re.findall(r'<strong>(\w+)</strong> taken for <strong>(\w+)</strong>.*?soft">(.*?) wrong pixels', html)
    assert named == [
        ("car", "road", "85.7% of car, 75.0% of all"),
        ("road", "sky", "16.7% of road, 25.0% of all"),
    ]


def test_a_cell_of_the_matrix_says_its_share_and_its_pixels(written):
    html, _ = written()
    assert (
        'title="car → road: 85.71% of car, 48 pixels"><span class="share">86</span><span class="count">48</span>'
        in html
    )


def test_a_cell_without_pixels_takes_next_to_nothing(written):  # of 150 classes, nearly all 22,500 are
    html, _ = written()
    road = re.search(r"<tr>[^/]*road.*?</tr>", html[html.index('id="matrix"') :].partition("<tbody>")[2], re.DOTALL)
    cells = re.findall("<td.*?</td>", road.group(), re.DOTALL)
    assert (len(cells), cells[2]) == (3, "<td></td>")


def test_a_model_that_is_surer_than_right_is_said_to_be(written):
    html, _ = written()
    # 400 pixels, confidences that sum to 310, 230 correct; the bins are off by 20 and 60 pixels
    assert "the mean confidence is 77.5% and the accuracy 57.5%:\nthe model is overconfident." in html
    assert "expected calibration error 20.0%" in html


def test_a_page_without_history_says_so(written):
    assert "No training history." in written(history=[])[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confusion": np.zeros((2, 2), np.int64)}, r"a confusion matrix of 3 x 3 classes, got \(2, 2\)"),
        ({"columns": {"BF": Column(np.zeros(4))}}, r"BF: expected a number for each of 3 classes, got \(4,\)"),
        (
            {"columns": {"BF": Column(np.zeros(3), (np.zeros(3), np.zeros(2)))}},
            r"BF: expected a number for each of 3 classes, got \(2,\)",
        ),
    ],
)
def test_numbers_of_other_classes_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        report.write(tmp_path / "page.html", tiny_page.page(**changes))
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (99_600, "100k"), (999_600, "1.0M"), (2_000_000_000, "2.0G")],
)
def test_a_count_takes_four_characters(count, shown):
    assert report.compact(count) == shown


def test_the_page_holds_what_a_class_filter_needs(written):
    pictures = {picture["id"]: picture for picture in written()[1]["pictures"]}
    assert pictures["test/e"]["present"] == [SKY, CAR]
    assert pictures["test/e"]["ious"] == [0, 1, 0]  # the road is predicted but not there
    assert pictures["test/b"]["ious"] == [0.5, 0.75, None]
    assert pictures["test/d"]["present"] == []


def test_names_of_others_show_their_control_characters(written):
    classes = dataclasses.replace(CLASSES, names=(hostile.STORABLE, "sky", "car"))
    html, data = written(classes=classes, gallery=tiny_page.gallery(classes=classes), title=hostile.STORABLE)
    assert not hostile.acting(html, lines=True)
    assert "a\\x1b[2Jb" in html
    assert not hostile.acting(data["classes"][0], lines=True)
