"""reports/scores.json and confusion.csv: what a model scored on the test images. Written by evaluate."""

import csv
import io
import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from pipeline.core import metrics
from pipeline.files import atomic

HEADLINE = ("test/miou", "test/class_accuracy", "test/global_accuracy")


@dataclass(frozen=True)
class Scores:
    """A model's confusion matrix on a test split, and what it belongs to."""

    run: str
    """Name of the training run."""
    dataset: str
    test_data: str
    """Digest of the test images and masks: scores compare only where it is the same."""
    images: int
    """How many test images there are."""
    names: tuple[str, ...]
    """Of the C classes."""
    confusion: metrics.Counts
    """(C, C) int64 pixels; rows are targets, columns predictions."""

    @property
    def metrics(self) -> dict[str, float]:
        """Return test/miou, test/class_accuracy, test/global_accuracy and test/iou/<class>; NaN where undefined."""
        return metrics.scores(self.confusion).named("test", self.names)


def write(folder: Path, scores: Scores) -> None:
    """Write scores.json and confusion.csv into `folder`; the same scores give the same bytes."""
    found = metrics.scores(scores.confusion)
    tree = {
        "run": scores.run,
        "dataset": scores.dataset,
        "test_data": scores.test_data,
        "images": scores.images,
        "counted_classes": found.counted_classes,
        "test": {
            "miou": _number(found.miou),
            "class_accuracy": _number(found.class_accuracy),
            "global_accuracy": _number(found.global_accuracy),
            "iou": {name: _number(iou) for name, iou in zip(scores.names, found.class_ious, strict=True)},
        },
    }
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["target", *scores.names])
    for name, row in zip(scores.names, scores.confusion.tolist(), strict=True):
        writer.writerow([name, *row])
    atomic.write_text(folder / "confusion.csv", table.getvalue())
    atomic.write_json(folder / "scores.json", tree)


def read(folder: Path) -> Scores:
    """Read what `write` wrote.

    Raises:
        ValueError: a file is missing, or the two are not what `write` makes.
    """
    try:
        tree = json.loads((folder / "scores.json").read_text("utf-8"))
        with (folder / "confusion.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        confusion = np.array([[int(count) for count in row[1:]] for row in rows], np.int64)
        names = tuple(header[1:])
        if confusion.shape != (len(names), len(names)):
            raise ValueError(f"expected a {len(names)} x {len(names)} table, got {confusion.shape}")
        return Scores(
            str(tree["run"]), str(tree["dataset"]), str(tree["test_data"]), int(tree["images"]), names, confusion
        )
    except (OSError, KeyError, TypeError, ValueError) as err:
        raise ValueError(f"{folder}: expected scores that the evaluate stage wrote: {err}; run it again") from err


def _number(value: float) -> float | None:
    """JSON has no NaN: the score of a class that does not occur is null."""
    return float(value) if isfinite(value) else None
