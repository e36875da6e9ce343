"""The identity of a model and how it scored, kept as tags of its version."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

from pipeline.artifacts.scores import Scores
from pipeline.artifacts.spec import read_spec
from pipeline.core import metrics
from pipeline.files.digest import file_sha256


@dataclass(frozen=True)
class Standing:
    """What is known of a model."""

    fingerprint: str
    """SHA-256 of everything its masks depend on: its files and the options of predict.load."""
    run: str
    """Name of its training run."""
    test_data: str
    """Hash of the test images and masks."""
    miou: float
    """mIoU on those, in [0, 1]; NaN if no class was counted."""

    @classmethod
    def unknown(cls) -> "Standing":
        """Return the standing of a model of which nothing is known; it equals no other."""
        return cls("", "unknown", "", nan)

    def tags(self) -> dict[str, str]:
        """Return the standing as tags, with the score unrounded."""
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
            ValueError: a tag is missing, or the score is not a number.
        """
        try:
            return cls(tags["fingerprint"], tags["training_run"], tags["test_data"], float(tags["test_miou"]))
        except (KeyError, ValueError) as err:
            raise ValueError(
                "expected a version with the tags fingerprint, training_run, test_data and test_miou, which the "
                f"register stage sets, got {dict(tags)}; register it again, or remove its alias"
            ) from err


def of(model: Path, scores: Scores, options: Mapping[str, Any]) -> Standing:
    """Return the standing of the model in the folder `model` when it predicts with `options`, those of predict.load.

    Raises:
        ValueError: the scores belong to another model.
    """
    run = read_spec(model).run
    if scores.run != run:
        raise ValueError(f"expected the scores of {model}, run {run}, got those of run {scores.run}; evaluate it again")
    return scored(Standing(fingerprint(model, options), run, scores.test_data, nan), scores)


def scored(standing: Standing, scores: Scores) -> Standing:
    """Return the standing of the same model with these scores."""
    return replace(standing, test_data=scores.test_data, miou=metrics.scores(scores.confusion).miou)


def fingerprint(model: Path, options: Mapping[str, Any]) -> str:
    """Return the SHA-256 of everything a model's masks depend on: its files and the options of predict.load."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for path in sorted(model.iterdir()):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
