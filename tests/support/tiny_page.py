"""An evaluation page of five small images whose scores are worked out by hand."""

import numpy as np

from pipeline.core.calibration import Reliability
from pipeline.core.classes import ClassTable
from pipeline.evaluation.report import Column, Page, Score
from pipeline.evaluation.report.gallery import Gallery

ROAD, SKY, CAR, VOID = range(4)
CLASSES = ClassTable(("road", "sky", "car"), ((128, 64, 128), (70, 130, 180), (0, 0, 142)), (0, 0, 0), None)
# Truth and prediction of each of an image's 10 columns of 8 pixels.
COLUMNS = {
    "a": ([SKY] * 5 + [ROAD] * 5, [SKY] * 5 + [ROAD] * 5),  # IoU: sky 1, road 1
    "b": ([SKY] * 6 + [ROAD] * 4, [SKY] * 8 + [ROAD] * 2),  # sky 6/8, road 2/4
    "c": ([SKY] * 5 + [ROAD] * 3 + [CAR] * 2, [SKY] * 5 + [ROAD] * 4 + [CAR]),  # sky 1, road 3/4, car 1/2
    "d": ([VOID] * 10, [SKY] * 10),  # none
    "e": ([SKY] * 5 + [CAR] * 5, [SKY] * 5 + [ROAD] * 5),  # sky 1, car 0, road 0 though absent from the truth
}
WORST_FIRST = {"e": 1 / 3, "b": 0.625, "c": 0.75, "a": 1, "d": None}  # by mIoU


def image(name):
    """Return pixels, truth, prediction, uncertainty and counts of the image `name`, 8 x 10 pixels."""
    truth, prediction = (np.tile(np.uint8(columns), (8, 1)) for columns in COLUMNS[name])
    counts = np.zeros((3, 3), np.int64)
    for t, p in zip(*COLUMNS[name], strict=True):
        if t != VOID:
            counts[t, p] += 8
    photo = np.full((8, 10, 3), 90, np.uint8)
    return photo, truth, prediction, (truth != prediction).astype(np.float32), counts


def gallery(names="abcde", classes=CLASSES):
    """Return a gallery of the images `names`; one that comes again has a number behind its name."""
    result = Gallery(classes, max_characters=4000)
    for i, name in enumerate(names):
        photo, truth, prediction, uncertainty, counts = image(name)
        again = i if name in names[:i] else ""
        result.add(f"test/{name}{again}", photo, truth, prediction, uncertainty=uncertainty, counts_CC=counts)
    return result


def page(**changes):
    """Return the page, with the fields in `changes` replaced."""
    values = {
        "title": "Evaluation of tiny",
        "facts": {"network": "segnet_basic", "test images": "5"},
        "scores": [
            Score("Mean IoU", "mIoU", 0.4831, (0.4512, 0.5049), 0.601),
            Score("Calibration error", "ECE", 0.032, None, None),
        ],
        "interval_note": "95% intervals.",
        "paper_note": "Table 2.",
        "classes": CLASSES,
        "confusion": sum(image(name)[-1] for name in COLUMNS),
        "columns": {
            "IoU": Column(
                np.array([0.5, np.nan, 0.25]), (np.array([0.4, np.nan, 0.2]), np.array([0.6, np.nan, np.nan]))
            ),
            "Pixels": Column(np.array([0.3, 0.5, 0.2])),
        },
        "reliability": Reliability(np.array([0, 100, 0, 300]), np.array([0, 20, 0, 210]), np.array([0, 40.0, 0, 270])),
        "history": [
            {"epoch": 1.0, "train/loss": 2.0, "val/loss": 1.5, "val/miou": 0.25},
            {"epoch": 2.0, "train/loss": 1.0, "val/loss": float("nan"), "val/miou": 0.5},
        ],
        "gallery": gallery(),
    }
    return Page(**values | changes)
