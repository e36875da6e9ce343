from math import isnan, nan, sqrt

import pytest

from pipeline.crossvalidation.spread import Spread, spreads


def test_mean_and_deviation_are_those_of_the_sample():
    found = spreads([{"miou": 0.25}, {"miou": 0.5}, {"miou": 0.75}])["miou"]
    assert found.mean == 0.5
    assert found.deviation == pytest.approx(sqrt((0.0625 + 0 + 0.0625) / 2))
    assert found.folds == 3


def test_a_class_counts_in_the_folds_that_have_it():
    found = spreads([{"iou/sky": 0.5, "iou/car": nan}, {"iou/sky": 1.0, "iou/car": 0.25}, {"iou/sky": nan}])
    assert found["iou/sky"] == Spread(0.75, pytest.approx(sqrt(2 * 0.0625)), 2)
    assert (found["iou/car"].mean, found["iou/car"].folds) == (0.25, 1)
    assert isnan(found["iou/car"].deviation)


def test_a_class_that_no_fold_has_is_undefined():
    found = spreads([{"iou/car": nan}, {"iou/car": nan}])["iou/car"]
    assert isnan(found.mean)
    assert isnan(found.deviation)
    assert found.folds == 0
