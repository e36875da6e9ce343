"""Positions of the marks in the evaluation page's charts; the template draws them.

Positions are in the units of an SVG of WIDTH x HEIGHT, from its upper left corner.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.calibration import Reliability

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 50, 438, 14, 236
"""The plotted area."""
_SHARES = 60  # height of the tallest of the bars that show each bin's share of the pixels


@dataclass(frozen=True)
class Tick:
    """A labelled position on an axis."""

    place: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A point of a curve, and its tooltip."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Curve:
    """A named sequence of points."""

    name: str
    dots: tuple[Dot, ...]

    @property
    def points(self) -> str:
        """Return the points in the format of SVG's polyline."""
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)


@dataclass(frozen=True)
class Chart:
    """Curves over common axes."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Bin:
    """A confidence bin, `left` to `left + width`: its dot, and its bar of height `share_height`."""

    dot: Dot
    sure_y: float
    """Where the dot would lie if accuracy equalled confidence."""
    left: float
    width: float
    share_height: float


def learning(rows: Sequence[Mapping[str, float]], names: Mapping[str, str], show: Callable[[float], str]) -> Chart:
    """Return a chart of columns of the training history over its epochs; values that are not finite are left out.

    Args:
        rows: one per epoch, with its number, from 1, as `epoch`.
        names: column of `rows` -> name of its curve; columns that no row has are left out.
        show: formats a value for the reader.
    """
    curves = {
        name: [(row["epoch"], row[column]) for row in rows if math.isfinite(row.get(column, math.nan))]
        for column, name in names.items()
    }
    pairs = [pair for curve in curves.values() for pair in curve]
    if not pairs:
        return Chart((), (), ())
    x_ticks = ticks(min(x for x, _ in pairs), max(x for x, _ in pairs), whole=True)
    y_ticks = ticks(0, max(y for _, y in pairs))
    first, last = min(x for x, _ in pairs), max(x for x, _ in pairs)
    top = y_ticks[-1]

    def dot(x: float, y: float, name: str) -> Dot:
        across = _x((x - first) / (last - first)) if last > first else (LEFT + RIGHT) / 2
        return Dot(across, _y(y / top), f"epoch {x:g}: {name} {show(y)}")

    return Chart(
        tuple(Tick(dot(x, 0, "").x, f"{x:g}") for x in x_ticks if first <= x <= last),
        tuple(Tick(_y(y / top), show(y)) for y in y_ticks),
        tuple(Curve(name, tuple(dot(x, y, name) for x, y in curve)) for name, curve in curves.items() if curve),
    )


def reliability(counts: Reliability) -> tuple[Bin, ...]:
    """Return the bins that have pixels, over axes of confidence and accuracy from 0 to 1."""
    num_bins, total = len(counts.pixels), counts.pixels.sum()
    shares = counts.pixels / max(total, 1)
    bins = []
    for b in np.flatnonzero(counts.pixels).tolist():
        confidence, accuracy = float(counts.confidences[b]), float(counts.accuracies[b])
        text = (
            f"confidence {b / num_bins:.0%} to {(b + 1) / num_bins:.0%}: mean confidence {confidence:.1%}, accuracy "
            f"{accuracy:.1%}; {shares[b]:.1%} of the pixels"
        )
        left = _x(b / num_bins)
        width = round(_x((b + 1) / num_bins) - left, 2)
        height = round(float(_SHARES * shares[b] / shares.max()), 2)
        bins.append(Bin(Dot(_x(confidence), _y(accuracy), text), _y(confidence), left, width, height))
    return tuple(bins)


def fractions() -> tuple[tuple[Tick, ...], tuple[Tick, ...]]:
    """Return the ticks of two axes from 0 to 1."""
    values = (0, 0.2, 0.4, 0.6, 0.8, 1)
    return tuple(Tick(_x(v), f"{v:.0%}") for v in values), tuple(Tick(_y(v), f"{v:.0%}") for v in values)


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return 3 to 7 round numbers, the last of them the first that is not below `high`.

    Example:
        >>> ticks(0, 0.83), ticks(1, 80, whole=True)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 20.0, 40.0, 60.0, 80.0])
    """
    span = (high - low) or abs(high) or 1
    step = 10.0 ** math.floor(math.log10(span / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)
    if whole:
        step = max(1, round(step))
    start = math.floor(low / step)
    return [float(f"{i * step:.12g}") for i in range(start, math.ceil(high / step) + 1)]


def _x(fraction: float) -> float:
    return round(LEFT + fraction * (RIGHT - LEFT), 2)


def _y(fraction: float) -> float:
    return round(BOTTOM - fraction * (BOTTOM - TOP), 2)
