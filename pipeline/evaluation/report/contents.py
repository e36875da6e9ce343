"""The content of a model's evaluation page: its scores beside the paper's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.artifacts.scores import Intervals, Scores
from pipeline.artifacts.spec import Spec
from pipeline.core.arrays import Floats
from pipeline.core.metrics import ratio
from pipeline.evaluation.report import Column, Page, Score
from pipeline.evaluation.report.gallery import Gallery
from pipeline.files import csv_table

_HEADLINE = {
    "miou": ("Mean IoU", "mIoU"),
    "class_accuracy": ("Class accuracy", "C"),
    "global_accuracy": ("Global accuracy", "G"),
    "boundary_f1": ("Boundary F1", "BF"),
    "calibration_error": ("Calibration error", "ECE"),
}
# Badrinarayanan et al., arXiv 1511.00561v3, Table 2, SegNet's row.
_PAPER = {"camvid": {"miou": 0.6010, "class_accuracy": 0.7120, "global_accuracy": 0.9040, "boundary_f1": 0.4684}}
_PAPER_NOTES = {
    "camvid": "The paper's figures are for SegNet trained on 3,433 road scenes from four data sets (Table 2); CamVid's "
    "own training split has 367."
}
_NO_TEST = ", which chose the epoch: the data set has no test images, and these scores are too good"


def contents(scores: Scores, intervals: Intervals, spec: Spec, history: Path, gallery: Gallery) -> Page:
    """Return the page of a model.

    Args:
        scores: of the model.
        intervals: of the scores.
        spec: of the model.
        history: reports/history.csv.
        gallery: every test image was added to it.

    Raises:
        ValueError: the history is missing, or was not written by the train stage.
    """
    paper = _PAPER.get(scores.dataset, {})
    metrics = scores.metrics
    return Page(
        title=f"{spec.network} on {scores.dataset}",
        facts={
            "network": f"{spec.network}, width {spec.width:g}",
            "data set": scores.dataset,
            f"{scores.split} images": str(len(scores.ids)) + ("" if scores.split == "test" else _NO_TEST),
            "image scale": f"{spec.scale:g}",
            "training run": scores.run,
        },
        scores=[
            Score(name, symbol, metrics[f"test/{key}"], intervals.bounds.get(key), paper.get(key))
            for key, (name, symbol) in _HEADLINE.items()
        ],
        interval_note=f"{intervals.level:.0%} intervals: {intervals.method}.",
        paper_note=_PAPER_NOTES.get(scores.dataset, ""),
        classes=spec.classes,
        confusion=scores.confusion,
        columns=_columns(scores, intervals),
        reliability=scores.reliability,
        history=_history(history),
        gallery=gallery,
    )


def _columns(scores: Scores, intervals: Intervals) -> dict[str, Column]:
    metrics, pixels = scores.metrics, scores.confusion.sum(axis=1)

    def of_classes(score: str) -> Floats:
        return np.array([metrics[f"test/{score}/{name}"] for name in scores.names])

    low, high = np.array([intervals.bounds[f"iou/{name}"] for name in scores.names]).T
    return {
        "IoU": Column(of_classes("iou"), (low, high)),
        "Accuracy": Column(of_classes("accuracy")),
        "Dice": Column(of_classes("dice")),
        "Boundary F1": Column(of_classes("boundary_f1")),
        "Share of pixels": Column(ratio(pixels, np.full(len(pixels), pixels.sum()))),
    }


def _history(path: Path) -> Sequence[dict[str, float]]:
    try:
        # A cell is empty where an epoch was not validated.
        return [{key: float(value) for key, value in row.items() if value} for row in csv_table.read(path)]
    except (OSError, ValueError) as err:
        raise ValueError(f"{path}: expected the curves that the train stage wrote: {err}; run it again") from err
