"""What was decided about a model, and why; written by register."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from pipeline.core.bootstrap import Difference
from pipeline.files import atomic
from pipeline.files.strict_json import null_or_number, number_or_null

_DIFFERENCE = ("estimate", "low", "high", "better")


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

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return {
            "verdict": self.outcome.name,
            "reasons": list(self.reasons),
            "rule": dict(self.rule),
            "test_data": self.test_data,
            "difference": {
                name: {key: number_or_null(getattr(gain, key)) for key in _DIFFERENCE}
                for name, gain in self.gains.items()
            },
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> "Verdict":
        """Return what `to_json` wrote.

        Raises:
            KeyError, TypeError: it is something else.
        """
        gains = {
            name: Difference(**{key: null_or_number(gain[key]) for key in _DIFFERENCE})
            for name, gain in tree["difference"].items()
        }
        outcome, reasons = Outcome[tree["verdict"]], tuple(tree["reasons"])
        return cls(outcome, reasons, tree["test_data"], dict(tree["rule"]), gains)


def write_verdict(path: Path, name: str, version: str, verdict: Verdict) -> None:
    """Write reports/registration.json: which version was registered, what was decided, by which numbers and rule."""
    atomic.write_json(path, {"model": name, "version": version, **verdict.to_json()})
