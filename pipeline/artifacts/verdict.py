"""The decision on a model, with its reasons; written by register."""

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
    """The decision on a model; of several findings, the one with the highest value decides."""

    PROMOTE = 0
    """It becomes the champion."""
    HOLD = 1
    """It may be good, but there is no evidence that it is better than the champion, or as good."""
    REJECT = 2
    """It misses a limit, or is worse than the champion in some class by more than allowed."""

    @property
    def status(self) -> str:
        """Return the version's validation_status."""
        return ("approved", "held", "rejected")[self]


@dataclass(frozen=True)
class Verdict:
    """The decision on a model, with its reasons and its basis."""

    outcome: Outcome
    reasons: tuple[str, ...]
    """Sentences with the numbers; those that decided come first."""
    test_data: str
    """Digest of the test images and masks that it is based on."""
    rule: Mapping[str, float | None]
    """The params that applied."""
    gains: Mapping[str, Difference]
    """By how much it exceeds the champion in miou and iou/<class>; empty if the two could not be compared."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
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
            KeyError, TypeError: `tree` is not as `to_json` writes it.
        """
        gains = {
            name: Difference(**{key: null_or_number(gain[key]) for key in _DIFFERENCE})
            for name, gain in tree["difference"].items()
        }
        outcome, reasons = Outcome[tree["verdict"]], tuple(tree["reasons"])
        return cls(outcome, reasons, tree["test_data"], dict(tree["rule"]), gains)


def write_verdict(path: Path, name: str, version: str, verdict: Verdict) -> None:
    """Write reports/registration.json: the version, the decision, and the numbers and rule behind it."""
    atomic.write_json(path, {"model": name, "version": version, **verdict.to_json()})
