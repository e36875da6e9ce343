"""reports/evaluation.html: how good a model is and where it fails, as one self-contained page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.arrays import Counts, Floats
from pipeline.core.calibration import Reliability
from pipeline.core.classes import ClassTable
from pipeline.core.metrics import ratio
from pipeline.evaluation.report import reliability_chart
from pipeline.evaluation.report.gallery import UNSURE, WRONG, Gallery
from pipeline.files import atomic, charts, templates

PRINTED = 12
"""Number of images shown when the page is printed."""
_MAX_CONFUSIONS = 6


@dataclass(frozen=True)
class Score:
    """A score over the entire test set, a fraction."""

    name: str
    symbol: str
    """The paper's, such as mIoU; "" if it has none."""
    value: float
    interval: tuple[float, float] | None
    """Lower and upper bound, at the level that the page's `interval_note` states."""
    paper: float | None
    """The paper's value."""


@dataclass(frozen=True)
class Column:
    """A score, or other fraction, of each class; NaN where it is undefined."""

    values: Floats
    """(C,)."""
    interval: tuple[Floats, Floats] | None = None
    """Lower and upper bounds, (C,) each; such a column is also drawn as bars."""


@dataclass(frozen=True)
class Page:
    """Everything that the page shows."""

    title: str
    facts: Mapping[str, str]
    """What was evaluated, and on which data: label -> text."""
    scores: Sequence[Score]
    interval_note: str
    """How the intervals were computed."""
    paper_note: str
    """What the paper's scores refer to."""
    classes: ClassTable
    confusion: Counts
    """(C, C) int64: rows are targets, columns predictions."""
    columns: Mapping[str, Column]
    """Name -> scores of the classes."""
    reliability: Reliability
    history: Sequence[Mapping[str, float]]
    """One row per training epoch: `epoch`, `train/loss`, `val/loss`, `val/miou` and others."""
    gallery: Gallery


def write(path: Path, page: Page) -> None:
    """Write `page` to `path`; the same page gives the same bytes.

    Raises:
        ValueError: the confusion matrix or a column does not match the page's classes.
    """
    _check(page)
    environment = templates.environment("pipeline.evaluation.report")
    environment.filters |= {"percent": percent, "compact": compact}
    # Not included by the template: "{#" can start an id's rules in a style sheet, but starts a comment in Jinja.
    files = resources.files("pipeline.evaluation.report")
    style, script = (files.joinpath(name).read_text("utf-8") for name in ("evaluation.css", "evaluation.js"))
    entries = page.gallery.worst_first()
    html = environment.get_template("evaluation.html.j2").render(
        page=page,
        style=templates.style("charts.css") + style,
        script=script,
        palette=[_rgb(colour) for colour in page.classes.colours],
        void_colour=_rgb(page.classes.void_colour),
        wrong=_rgb(WRONG),
        unsure=_rgb(UNSURE),
        shares=ratio(page.confusion, page.confusion.sum(axis=1, keepdims=True).repeat(len(page.classes), axis=1)),
        largest=max(1, int(page.confusion.max())),
        confusions=_confusions(page),
        calibration=_calibration(page.reliability),
        charts=charts,
        fractions=reliability_chart.fractions(),
        losses=charts.losses(page.history),
        scores_chart=charts.scores(page.history),
        data={
            "classes": page.classes.names,
            "colours": [_rgb(colour) for colour in page.classes.colours],
            "printed": PRINTED,
            "pictures": [entry.tree() for entry in entries],
        },
    )
    atomic.write_text(path, html)


def percent(value: float, digits: int = 1) -> str:
    """Format a fraction for the page: 0.4831 as 48.3%, NaN as n/a."""
    return "n/a" if math.isnan(value) else f"{value:.{digits}%}"


def compact(count: int) -> str:
    """Format a count in at most four characters: 940, 17k, 3.2M.

    Example:
        >>> [compact(count) for count in (0, 999, 1000, 99_600, 999_600, 12_300_000, 2_000_000_000)]
        ['0', '999', '1.0k', '100k', '1.0M', '12M', '2.0G']
    """
    value, unit = float(count), ""
    for larger in ("k", "M", "G", "T"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"


def _check(page: Page) -> None:
    num_classes = len(page.classes)
    if page.confusion.shape != (num_classes, num_classes):
        raise ValueError(
            f"expected a confusion matrix of {num_classes} x {num_classes} classes, got {page.confusion.shape}; "
            "count with the page's classes"
        )
    for name, column in page.columns.items():
        for values in (column.values, *(column.interval or ())):
            if values.shape != (num_classes,):
                raise ValueError(
                    f"{name}: expected a number for each of {num_classes} classes, got {values.shape}; "
                    "pass NaN where it is undefined"
                )


def _confusions(page: Page) -> list[dict[str, Any]]:
    """Return the pairs of classes with the most wrong pixels, in descending order."""
    counts, names = page.confusion, page.classes.names
    wrong = counts - np.diag(np.diagonal(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSIONS]
    pairs = [divmod(int(cell), len(names)) for cell in order if wrong.flat[cell]]
    return [
        {
            "target": names[t],
            "prediction": names[p],
            "pixels": int(wrong[t, p]),
            "of_target": wrong[t, p] / counts[t].sum(),
            "of_wrong": wrong[t, p] / wrong.sum(),
        }
        for t, p in pairs
    ]


def _calibration(reliability: Reliability) -> dict[str, Any]:
    """Return the figures of the calibration section, among them the overall confidence and accuracy."""
    pixels = reliability.pixels.sum()
    return {
        "error": reliability.expected_calibration_error,
        "confidence": float(ratio(reliability.confidence.sum(), pixels)),
        "accuracy": float(ratio(reliability.correct.sum(), pixels)),
        "bins": reliability_chart.bins(reliability),
    }


def _rgb(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
