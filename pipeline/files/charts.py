"""Positions of the marks in a page's charts; charts.html.j2 draws them.

Positions are in the units of an SVG of WIDTH x HEIGHT, from its upper left corner.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 50, 438, 14, 236
"""The plotted area."""
_LOSSES = {"train/loss": "training loss", "val/loss": "validation loss"}
_SCORES = {"val/miou": "mIoU", "val/class_accuracy": "class accuracy", "val/global_accuracy": "global accuracy"}


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


def learning(
    rows: Sequence[Mapping[str, float]],
    names: Mapping[str, str],
    show: Callable[[float], str],
    most: float = math.inf,
) -> Chart:
    """Return a chart of columns of the training history over its epochs; values that are not finite are left out.

    Args:
        rows: one per epoch, with its number, from 1, as `epoch`.
        names: column of `rows` -> name of its curve; columns that no row has are left out.
        show: formats a value for the reader.
        most: larger values lie on the upper edge, whose label then begins with a >; no smaller than the median.
    """
    curves = {
        name: [(row["epoch"], row[column]) for row in rows if math.isfinite(row.get(column, math.nan))]
        for column, name in names.items()
    }
    pairs = [pair for curve in curves.values() for pair in curve]
    if not pairs:
        return Chart((), (), ())
    epochs, values = zip(*pairs, strict=True)
    first, last = min(epochs), max(epochs)
    x_ticks, y_ticks = ticks(first, last, whole=True), ticks(0, max(value for value in values if value <= most))
    top = y_ticks[-1] or 1  # 0 if all values are
    is_cut = max(values) > most

    def dot(epoch: float, value: float, name: str) -> Dot:
        across = x((epoch - first) / (last - first)) if last > first else (LEFT + RIGHT) / 2
        return Dot(across, y(min(value / top, 1)), f"epoch {epoch:g}: {name} {show(value)}")

    return Chart(
        tuple(Tick(dot(tick, 0, "").x, f"{tick:g}") for tick in x_ticks if first <= tick <= last),
        tuple(Tick(y(tick / top), f"> {show(tick)}" if is_cut and tick == top else show(tick)) for tick in y_ticks),
        tuple(Curve(name, tuple(dot(*pair, name) for pair in curve)) for name, curve in curves.items() if curve),
    )


def losses(rows: Sequence[Mapping[str, float]]) -> Chart:
    """Return the chart of a training history's losses; those above ten times the median lie on the upper edge.

    After few steps a validation loss may be a thousand times later ones, whose curves would be flat lines.
    """
    values = [row[column] for row in rows for column in _LOSSES if math.isfinite(row.get(column, math.nan))]
    return learning(rows, _LOSSES, "{:.3g}".format, 10 * median(values or [0]) or math.inf)


def scores(rows: Sequence[Mapping[str, float]]) -> Chart:
    """Return the chart of a training history's validation scores."""
    return learning(rows, _SCORES, lambda score: f"{100 * score:.3g}%")


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


def x(fraction: float) -> float:
    """Return the place of a fraction of the horizontal axis."""
    return round(LEFT + fraction * (RIGHT - LEFT), 2)


def y(fraction: float) -> float:
    """Return the place of a fraction of the vertical axis."""
    return round(BOTTOM - fraction * (BOTTOM - TOP), 2)
