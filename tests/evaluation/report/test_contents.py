"""The content of a model's page."""

import numpy as np
import pytest

from pipeline.artifacts.scores import Intervals
from pipeline.artifacts.spec import Spec
from pipeline.evaluation.report.contents import contents
from tests.support import tiny_page
from tests.support.scored import INTERVALS, scores

SPEC = Spec("segnet", 0.25, tiny_page.CLASSES, "camvid", 96, 128, 0.5, "abc")
BOUNDS = {**INTERVALS.bounds, **dict.fromkeys(("iou/sky", "iou/car"), (0.0, 1.0))}


@pytest.fixture
def history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,train/loss,val/miou\n1.0,0.5,nan\n2.0,0.25,0.75\n")
    return path


def page(history, **changes):
    intervals = Intervals(0.9, "by hand", BOUNDS)
    return contents(scores(**changes), intervals, SPEC, history, tiny_page.gallery())


def test_the_scores_stand_beside_the_papers_and_in_their_intervals(history):
    by_symbol = {score.symbol: score for score in page(history, dataset="camvid").scores}
    assert (by_symbol["mIoU"].value, by_symbol["mIoU"].interval, by_symbol["mIoU"].paper) == (
        pytest.approx(0.775),
        (0.5, 0.75),
        0.601,
    )
    assert (by_symbol["BF"].value, by_symbol["BF"].paper) == (0.75, 0.4684)
    assert (by_symbol["ECE"].interval, by_symbol["ECE"].paper) == (None, None)
    assert [(symbol, score.name, score.paper) for symbol, score in by_symbol.items()] == [  # Table 2, SegNet's row
        ("mIoU", "Mean IoU", 0.601),
        ("C", "Class accuracy", 0.712),
        ("G", "Global accuracy", 0.904),
        ("BF", "Boundary F1", 0.4684),
        ("ECE", "Calibration error", None),
    ]


def test_the_page_says_what_was_trained_on_what(history):
    assert page(history, dataset="camvid").facts == {
        "network": "segnet, width 0.25",
        "data set": "camvid",
        "test images": "2",
        "image scale": "0.5",
        "training run": "abc",
    }


def test_other_data_sets_have_no_figures_of_the_paper(history):
    model_page = page(history)
    assert {score.paper for score in model_page.scores} == {None}
    assert model_page.paper_note == ""


def test_the_columns_are_those_of_the_classes(history):
    columns = page(history).columns
    assert np.array_equal(columns["IoU"].values, [0.75, 0.8, np.nan], equal_nan=True)
    assert np.array_equal(columns["IoU"].interval[0], [0.25, 0, 0])
    assert columns["Share of pixels"].values.tolist() == [0.5, 0.5, 0]


def test_the_note_says_level_and_method(history):
    assert page(history).interval_note == "90% intervals: by hand."


def test_the_history_is_read_as_numbers(history):
    first, second = page(history).history
    assert np.isnan(first["val/miou"])
    assert second == {"epoch": 2, "train/loss": 0.25, "val/miou": 0.75}
    history.write_text("epoch,train/loss,val/miou\n1.0,0.5,\n")  # the epoch was not validated
    assert page(history).history == [{"epoch": 1, "train/loss": 0.5}]


@pytest.mark.parametrize("text", ["epoch,a\n1.0\n", "epoch\n1.0,2.0\n", "epoch\none\n", 'epoch\n"' + "1" * 200_000])
def test_a_broken_history_is_refused(history, text):
    history.write_text(text)
    with pytest.raises(ValueError, match=r"history\.csv: expected the curves that the train stage wrote: .*; run it"):
        page(history)


def test_without_test_images_the_page_says_what_was_scored(history):
    facts = page(history, split="val").facts
    note = ", which chose the epoch: the data set has no test images, and these scores are too good"
    assert (facts["val images"], "test images" in facts) == (f"2{note}", False)
    assert page(history).facts["test images"] == "2"
