"""Mean and spread of scores over folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import mean, stdev

MEAN, DEVIATION = "folds/", "folds_deviation/"
"""What the names begin with under which mean and standard deviation are recorded in MLflow."""


@dataclass(frozen=True)
class Spread:
    """A score over the folds in which it is defined: a class may be missing among the held-out images."""

    mean: float
    """NaN if no fold has it."""
    deviation: float
    """Standard deviation over the folds, of the sample (n - 1); NaN for fewer than two folds."""
    folds: int
    """Number of folds that have it."""


def spreads(folds: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return mean and spread of each metric over the folds, by its name.

    Example:
        >>> spreads([{"miou": 0.25}, {"miou": 0.75}, {"miou": float("nan")}])
        {'miou': Spread(mean=0.5, deviation=0.3535533905932738, folds=2)}
    """
    names = dict.fromkeys(name for fold in folds for name in fold)
    return {name: _spread([fold[name] for fold in folds if isfinite(fold.get(name, nan))]) for name in names}


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        mean(values) if values else nan,
        stdev(values) if len(values) > 1 else nan,
        len(values),
    )
