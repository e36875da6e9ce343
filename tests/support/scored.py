"""Scores of two small images, worked out by hand."""

import numpy as np

from pipeline.artifacts.scores import Intervals, Scores
from pipeline.core.calibration import Reliability


def scores(**changes):
    """Two images of the classes road, sky and car; 6 of 8 pixels of road and sky are right, car does not occur."""
    counts = np.zeros((2, 3, 3), np.int64)
    counts[0, 0, :2] = 3, 1
    counts[1, 1, 1] = 4
    boundaries = np.zeros((2, 3, 5), np.int64)
    boundaries[0, 0] = 2, 3, 2, 4, 4  # F1 one to one 2 * 2 / 8; one to many: P = 3/4, R = 2/4
    boundaries[0, 1] = 0, 0, 0, 5, 0  # predicted only
    boundaries[1, 1] = 6, 6, 6, 6, 6
    reliability = Reliability(np.array([2, 6]), np.array([1, 6]), np.array([0.5, 5.4]))
    values = {
        "run": "abc",
        "dataset": "toy",
        "test_data": "f" * 64,
        "names": ("road", "sky", "car"),
        "ids": ("test/a", "test/b"),
        "sequences": ("one", "two"),
        "counts": counts,
        "boundaries": boundaries,
        "reliability": reliability,
    }
    return Scores(**{**values, **changes})


INTERVALS = Intervals(0.9, "by hand", {"miou": (0.5, 0.75), "iou/road": (0.25, float("nan"))})
