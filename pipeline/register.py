"""The register step: whether a model that was scored becomes champion. MLflow stays outside: stages/register.py."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import metrics
from pipeline.files import atomic, checkpoint
from pipeline.files.scores import Scores


@dataclass(frozen=True)
class Standing:
    """What a model is, and how it scored; kept as tags of its version."""

    fingerprint: str
    """SHA-256 of all that its masks depend on: its files, and the options of predict.load."""
    run: str
    """Name of its training run."""
    test_data: str
    """Hash of the test images and masks."""
    miou: float
    """On those, a fraction in [0, 1]; NaN where no class was counted."""

    def tags(self) -> dict[str, str]:
        """Return it as tags, the score unrounded."""
        return {
            "fingerprint": self.fingerprint,
            "training_run": self.run,
            "test_data": self.test_data,
            "test_miou": repr(self.miou),
        }

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "Standing":
        """Return what `tags` wrote.

        Raises:
            ValueError: a tag is missing, or the score is no number.
        """
        try:
            return cls(tags["fingerprint"], tags["training_run"], tags["test_data"], float(tags["test_miou"]))
        except (KeyError, ValueError) as err:
            raise ValueError(
                "expected a champion with the tags fingerprint, training_run, test_data and test_miou, which the "
                f"register stage sets, got {dict(tags)}; remove its alias champion, or give it to another version"
            ) from err


@dataclass(frozen=True)
class Verdict:
    """Whether a model is to be champion, and why."""

    promote: bool
    reasons: tuple[str, ...]
    """Sentences with the numbers that decided."""


def decide(candidate: Standing, champion: Standing | None, *, min_miou: float, min_gain: float) -> Verdict:
    """Return whether `candidate` is to be champion.

    It must score at least `min_miou` and, where a champion reigns, more than the champion's score plus `min_gain` on
    the same test data. The champion itself stays champion.
    """
    if champion is not None and champion.fingerprint == candidate.fingerprint:
        return Verdict(True, (f"this very model, test mIoU {candidate.miou:.6f}, is champion already: it stays",))
    if not candidate.miou >= min_miou:  # so that NaN is refused
        return Verdict(False, (f"test mIoU {candidate.miou:.6f} is below register.min_miou {min_miou:g}",))
    enough = f"test mIoU {candidate.miou:.6f} reaches register.min_miou {min_miou:g}"
    if champion is None:
        return Verdict(True, (enough, "there is no champion yet"))
    if champion.test_data != candidate.test_data:
        what = (
            f"the champion (run {champion.run}) was scored on other test data, {champion.test_data}, than it, "
            f"{candidate.test_data}: they cannot be compared; run dvc repro at the champion's commit with the new test "
            "data, or give this version the alias champion by hand"
        )
        return Verdict(False, (enough, what))
    numbers = f"the champion's {champion.miou:.6f} (run {champion.run}) by more than register.min_gain {min_gain:g}"
    if not candidate.miou > champion.miou + min_gain:
        return Verdict(False, (enough, f"it does not exceed {numbers}"))
    return Verdict(True, (enough, f"it exceeds {numbers}"))


def standing(model: Path, scores: Scores, options: Mapping[str, Any]) -> Standing:
    """Return the standing of the model in the folder `model`, predicting with those options of predict.load.

    Raises:
        ValueError: the scores are another model's.
    """
    run = checkpoint.read_spec(model).run
    if scores.run != run:
        raise ValueError(f"expected the scores of {model}, run {run}, got those of run {scores.run}; evaluate it again")
    miou = metrics.scores(scores.confusion).miou
    return Standing(_fingerprint(model, options), run, scores.test_data, miou)


def write(path: Path, name: str, version: str, verdict: Verdict) -> None:
    """Write reports/registration.json: which version was registered, and whether it is champion."""
    outcome = "champion" if verdict.promote else "refused"
    tree = {"model": name, "version": version, "verdict": outcome, "reasons": list(verdict.reasons)}
    atomic.write_json(path, tree)


def _fingerprint(model: Path, options: Mapping[str, Any]) -> str:
    """Return a SHA-256 of all that its masks depend on: its files, and the options of predict.load."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for path in sorted(model.iterdir()):
        with path.open("rb") as stream:
            digest.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
