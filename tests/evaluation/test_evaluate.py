"""The evaluation of full test images."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.artifacts.spec import Spec
from pipeline.core.classes import ClassTable
from pipeline.evaluation import evaluate
from pipeline.inference.predict import Predictor
from tests.support.scored import scores
from tests.support.tiny_data import CLASSES, write_raw
from tests.support.tiny_networks import ALONE

SETTINGS = SimpleNamespace(images_per_block=10, resamples=200, level=0.9, seed=1)


class Column(nn.Module):
    """Predicts class 1 right of column 16, with a probability of 0.75."""

    def forward(self, x_N3HW):
        right = (torch.arange(x_N3HW.shape[3]) >= 16).float().expand(len(x_N3HW), 1, *x_N3HW.shape[2:])
        return math.log(3) * torch.cat([1 - right, right], dim=1)


class Unsure(Column):
    """The same by dropout: a sample is as likely to be certain of class 0 as of class 1."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x_N3HW):
        coin = self.dropout(torch.ones(1))  # 0 or 2
        sure = 50 * (coin - 1).expand(len(x_N3HW), 1, *x_N3HW.shape[2:])
        return torch.cat([sure, -sure], dim=1)


def predictor(classes=CLASSES, model=None, **options):
    spec = Spec("segnet", 1.0, classes, "toy", tile_height=32, tile_width=32, scale=1.0, run="r")
    return Predictor(spec, (model or Column()).eval(), overlap=0.5, batch_size=1, **{**ALONE, **options})


@pytest.fixture
def raw(tmp_path):
    left = np.zeros((32, 32), np.uint8)  # class 0 everywhere, but for a void row
    left[0] = 2
    split = np.repeat([[0] * 12 + [1] * 20], 32, axis=0).astype(np.uint8)
    return write_raw(tmp_path / "raw", [(32, 32)] * 2, [left, split]), tmp_path / "raw"


class Images:
    """Records the arguments of its calls."""

    def __init__(self):
        self.ids, self.uncertainties, self.counts = [], [], []

    def __call__(self, image_id, image, truth, prediction, *, uncertainty, counts_CC):
        assert image.shape == (*truth.shape, 3)
        assert prediction.shape == truth.shape
        self.ids.append(image_id)
        self.uncertainties.append(uncertainty)
        self.counts.append(counts_CC)


def test_whole_test_images_are_counted_once_and_void_nowhere(raw):
    result = evaluate.run(predictor(), *raw, on_image=Images())
    # Image 1: 31 rows, 16 columns right, 16 wrong. Image 2: 12 columns of class 0 right, 4 of class 1 wrong, 16 right.
    assert result.counts.tolist() == [[[31 * 16, 31 * 16], [0, 0]], [[32 * 12, 0], [32 * 4, 32 * 16]]]
    assert (len(result.ids), result.run, result.dataset) == (2, "r", "toy")


def test_boundaries_are_counted_on_each_image(raw):
    result = evaluate.run(predictor(), *raw, on_image=Images())
    # Image 2: a vertical line of 32 pixels each, four columns apart; the tolerance is 0.0075 * 45 pixels.
    assert result.boundaries[1].tolist() == [[0, 0, 0, 32, 32]] * 2


def test_a_model_that_says_three_quarters_is_judged_by_that(raw):
    result = evaluate.run(predictor(), *raw, on_image=Images())
    right, pixels = 31 * 16 + 32 * 28, 31 * 32 + 32 * 32
    assert result.reliability.pixels.sum() == pixels
    assert result.metrics["test/calibration_error"] == pytest.approx(abs(right / pixels - 0.75), abs=1e-6)


def test_each_image_is_handed_on_with_its_counts_and_uncertainty(raw):
    images = Images()
    result = evaluate.run(predictor(), *raw, on_image=images)
    assert tuple(images.ids) == result.ids
    assert np.array_equal(np.stack(images.counts), result.counts)
    entropy = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert images.uncertainties[0] == pytest.approx(np.full((32, 32), entropy), abs=1e-6)


def test_the_uncertainty_of_samples_is_twice_their_standard_deviation(raw):
    images = Images()
    evaluate.run(predictor(model=Unsure(), samples=20), *raw, on_image=images)
    (value,) = np.unique(images.uncertainties[0])
    shares = [2 * math.sqrt(k / 20 * (1 - k / 20)) for k in range(21)]  # k of 20 samples are for class 0
    assert min(abs(value - share) for share in shares) < 1e-6
    assert value > 0


def test_intervals_hold_the_score_and_say_how_they_came_about():
    result = evaluate.intervals(scores(), SETTINGS)
    assert result.level == 0.9
    assert result.method == "200 resamples of 2 blocks of up to 10 neighbouring images of a sequence"
    # Two images: road 0.75 and sky 0, sky 1, or both: sky 0.8, road 0.75.
    assert result.bounds["iou/sky"] == (0, 1)
    assert result.bounds["iou/road"] == (0.75, 0.75)
    assert result.bounds["boundary_f1"] == (0.5, 1)


def test_the_digest_names_the_test_images_and_no_others(raw):
    table = raw[0].images
    table["sha256"] = [f"image {i}" for i in range(len(table))]
    test = table[table["split"] == "test"]
    before = evaluate.digest(test)
    assert evaluate.digest(test.iloc[::-1]) == before
    assert evaluate.digest(test.assign(mask_sha256="other")) != before


def test_a_model_of_other_classes_is_refused(raw):
    other = ClassTable(("cat", "dog"), ((1, 2, 3), (4, 5, 6)), (0, 0, 0), None)
    with pytest.raises(ValueError, match=r"expected a model of the classes \('road', 'sky'\), got one of \('cat'"):
        evaluate.run(predictor(other), *raw, on_image=Images())


def test_without_test_images_the_validation_images_are_scored_and_it_is_said(raw):
    source, folder = raw
    rows = source.images[source.images["split"] != "test"]
    alone = dataclasses.replace(source, images=rows, splits=("train", "val"))
    result = evaluate.run(predictor(), alone, folder)
    assert (result.split, result.ids) == ("val", ("val/0", "val/1"))
    assert evaluate.in_words(result).endswith("; there are no test images, and these chose the epoch")
    assert evaluate.in_words(result).startswith("2 val images, miou 0.")
    names = evaluate.recorded(result)
    assert {name.partition("/")[0] for name in names} == {"val_images"}
    assert names["val_images/miou"] == result.metrics["test/miou"]
    assert evaluate.recorded(evaluate.run(predictor(), source, folder)).keys() == result.metrics.keys()
