"""What was decided about a model, and why; written by register."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from pathlib import Path

from pipeline.core.bootstrap import Difference
from pipeline.files import atomic


class Outcome(IntEnum):
    """What is to become of a model; of several findings, the highest decides."""

    PROMOTE = 0
    """It is to be champion."""
    HOLD = 1
    """It may be good, but there is no evidence that it is better than the champion, or that it is as good."""
    REJECT = 2
    """It misses a limit, or is worse than the champion in a class by more than is allowed."""

    @property
    def status(self) -> str:
        """Return the version's validation_status."""
        return ("approved", "held", "rejected")[self]


@dataclass(frozen=True)
class Verdict:
    """What is to become of a model, and why."""

    outcome: Outcome
    reasons: tuple[str, ...]
    """Sentences with the numbers, those that decided first."""
    test_data: str
    """Hash of the test images and masks that decided."""
    rule: Mapping[str, float | None]
    """The params in force."""
    gains: Mapping[str, Difference]
    """By how much it exceeds the champion in miou and iou/<class>; empty where they could not be compared."""


def write(path: Path, name: str, version: str, verdict: Verdict) -> None:
    """Write reports/registration.json: which version was registered, what was decided, by which numbers and rule."""
    tree = {
        "model": name,
        "version": version,
        "verdict": verdict.outcome.name,
        "reasons": list(verdict.reasons),
        "rule": dict(verdict.rule),
        "test_data": verdict.test_data,
        "difference": {
            name: {key: _number(getattr(gain, key)) for key in ("estimate", "low", "high")}
            for name, gain in verdict.gains.items()
        },
    }
    atomic.write_json(path, tree)


def _number(value: float) -> float | None:
    """JSON has no NaN: the gain in a class that does not occur is null."""
    return value if isfinite(value) else None
