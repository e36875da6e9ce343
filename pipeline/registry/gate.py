"""The gate: PROMOTE, HOLD or REJECT, a pure rule over what a model and the champion scored; it knows no registry."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.model import read_spec
from pipeline.artifacts.scores import Scores
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.core import bootstrap, metrics
from pipeline.core.bootstrap import Difference, Resampling
from pipeline.files.digest import file_sha256
from pipeline.params.evaluation import Evaluate, Register

_RESAMPLING = ("level", "resamples", "images_per_block", "seed")  # of evaluate: the part of the rule that it holds
_BY_HAND = "or promote this version by segnet promote --force"


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
                "expected a version with the tags fingerprint, training_run, test_data and test_miou, which the "
                f"register stage sets, got {dict(tags)}; register it anew, or remove its alias"
            ) from err


@dataclass(frozen=True)
class Champion:
    """The reigning model."""

    standing: Standing
    scores: Scores | None
    """Its counts on each test image; None where they are not at hand."""


@dataclass(frozen=True)
class Costs:
    """What using a model takes."""

    megabytes: float
    """Its weights on disk, 1e6 bytes."""
    latency_ms: float | None
    """Of one image, milliseconds; None: not measured, since no limit asks for it."""


Ruling = tuple[Outcome, str]
"""What a single rule speaks for, and the sentence with its numbers."""


class IncomparableError(ValueError):
    """Candidate and champion cannot be compared; the message says why, and what to do."""


def decide(
    candidate: Standing,
    found: Scores,
    champion: Champion | None,
    *,
    costs: Costs,
    gate: Register,
    evaluation: Evaluate,
) -> Verdict:
    """Return whether `candidate` is to be champion.

    It must keep the gate's limits. Where a champion reigns, both are compared on the same test images, by the paired
    bootstrap over blocks of neighbouring images (core/bootstrap.py), and two rules are added:

    * PROMOTE only where the interval of the gain in mIoU lies above `min_gain`: its lower bound exceeds it. A tie, and
      a lower bound of just `min_gain`, are HOLD.
    * A class whose IoU falls by more than `max_class_loss` is REJECT where the whole interval says so, and HOLD where
      the estimate does but the interval reaches up to a smaller loss.

    What cannot be compared is HOLD. The champion itself stays champion.

    Args:
        candidate: the model.
        found: its scores.
        champion: the reigning model, if there is one.
        costs: of the candidate.
        gate: section register of the params.
        evaluation: section evaluate, whose intervals are used.
    """
    rule = {**gate.model_dump(), **evaluation.model_dump(include=set(_RESAMPLING))}
    if champion is not None and champion.standing.fingerprint == candidate.fingerprint:
        stays = f"this very model, test mIoU {candidate.miou:.6f}, is champion already: it stays"
        return Verdict(Outcome.PROMOTE, (stays,), candidate.test_data, rule, {})
    findings, gains = [*_limits(found, gate), *_cost_limits(costs, gate)], dict[str, Difference]()
    if champion is None:
        findings.append((Outcome.PROMOTE, "there is no champion yet"))
    else:
        clusters = bootstrap.blocks(found.sequences, evaluation.images_per_block)
        resampling = Resampling(clusters, evaluation.resamples, evaluation.level, evaluation.seed)
        try:
            gains = _gains(found, champion, resampling)
            findings += _evidence(gains, champion.standing, evaluation.level, gate)
        except IncomparableError as err:
            findings.append((Outcome.HOLD, str(err)))
    findings.sort(key=lambda finding: -finding[0])
    return Verdict(findings[0][0], tuple(sentence for _, sentence in findings), candidate.test_data, rule, gains)


def standing(model: Path, scores: Scores, options: Mapping[str, Any]) -> Standing:
    """Return the standing of the model in the folder `model`, which predicts with those options of predict.load.

    Raises:
        ValueError: the scores are another model's.
    """
    run = read_spec(model).run
    if scores.run != run:
        raise ValueError(f"expected the scores of {model}, run {run}, got those of run {scores.run}; evaluate it again")
    return scored(Standing(fingerprint(model, options), run, scores.test_data, nan), scores)


def scored(standing: Standing, scores: Scores) -> Standing:
    """Return the standing of the same model by these scores."""
    return replace(standing, test_data=scores.test_data, miou=metrics.scores(scores.confusion).miou)


def _limits(found: Scores, gate: Register) -> Iterator[Ruling]:
    """Yield what each limit says that holds whoever reigns; an undefined score keeps none."""
    named = found.metrics
    pixels_C = found.confusion.sum(axis=1)
    ious = ((named[f"test/iou/{name}"], name) for name, n in zip(found.names, pixels_C, strict=True) if n)
    worst, name = min(ious, default=(nan, "any class"))
    for what, value, key in (
        ("mIoU", named["test/miou"], "min_miou"),
        ("class accuracy", named["test/class_accuracy"], "min_class_accuracy"),
        ("boundary F1", named["test/boundary_f1"], "min_boundary_f1"),
        (f"IoU of {name}, the worst class,", worst, "min_class_iou"),
    ):
        floor = getattr(gate, key)
        outcome, verb = (Outcome.PROMOTE, "reaches") if value >= floor else (Outcome.REJECT, "is below")
        if floor or key == "min_miou":
            yield outcome, f"test {what} {value:.6f} {verb} register.{key} {floor:g}"
    if gate.max_calibration_error is not None:
        error, limit = named["test/calibration_error"], gate.max_calibration_error
        outcome, verb = (Outcome.PROMOTE, "keeps within") if error <= limit else (Outcome.REJECT, "exceeds")
        yield outcome, f"test calibration error {error:.6f} {verb} register.max_calibration_error {limit:g}"


def _cost_limits(costs: Costs, gate: Register) -> Iterator[Ruling]:
    """Yield what the limits of size and speed say."""
    for what, value, key in (
        ("the size of its weights in MB", costs.megabytes, "max_megabytes"),
        ("its time for an image in ms", costs.latency_ms, "max_latency_ms"),
    ):
        limit = getattr(gate, key)
        if limit is not None and value is not None:
            outcome, verb = (Outcome.PROMOTE, "keeps within") if value <= limit else (Outcome.REJECT, "exceeds")
            yield outcome, f"{what}, {value:.1f}, {verb} register.{key} {limit:g}"


def _gains(found: Scores, champion: Champion, resampling: Resampling) -> dict[str, Difference]:
    """Return by how much the candidate exceeds the champion in miou and iou/<class>.

    Raises:
        IncomparableError: they were scored on other images or classes, or the counts of images do not suffice.
    """
    run, reigning = f"the champion (run {champion.standing.run})", champion.scores
    if champion.standing.test_data != found.test_data:
        raise IncomparableError(
            f"{run} was scored on other test data, {champion.standing.test_data}, than it, {found.test_data}, and "
            f"data/raw does not hold the latter: they cannot be compared; run dvc repro there first, {_BY_HAND}"
        )
    if reigning is None:
        raise IncomparableError(
            f"{run} cannot be compared: its version does not hold the counts of each image that belong to its scores; "
            f"run dvc repro --force --single-item register at the champion's commit, which keeps them, {_BY_HAND}"
        )
    targets, theirs = (counts.sum(axis=2) for counts in (found.counts, reigning.counts))
    if (found.ids, found.names) != (reigning.ids, reigning.names) or not np.array_equal(targets, theirs):
        raise IncomparableError(
            f"{run} cannot be compared: expected the same images, classes and target pixels in the scores of both, got "
            f"others; evaluate both with the same data set params, {_BY_HAND}"
        )
    if not resampling.clusters.any():
        raise IncomparableError(
            f"{run} cannot be compared: expected test images of two blocks or more, got one, which says nothing of "
            f"other images; set evaluate.images_per_block lower, {_BY_HAND}"
        )
    differences = bootstrap.paired_difference(found.counts, reigning.counts, resampling)
    names = (f"iou/{name}" for name in found.names)
    return {"miou": differences.miou, **dict(zip(names, differences.class_ious, strict=True))}


def _evidence(gains: Mapping[str, Difference], champion: Standing, level: float, gate: Register) -> Iterator[Ruling]:
    """Yield what the gain in mIoU says, and each class that lost more than is allowed."""
    gain, share = gains["miou"], f"{level * 100:g}% interval"
    outcome, verb = (Outcome.PROMOTE, "lies") if gain.low > gate.min_gain else (Outcome.HOLD, "does not lie")
    numbers = (
        f"its mIoU differs from the champion's {champion.miou:.6f} (run {champion.run}) by {gain.estimate:+.6f}: the "
        f"{share} {gain.low:+.6f} to {gain.high:+.6f}"
    )
    yield outcome, f"{numbers} {verb} above register.min_gain {gate.min_gain:g}"
    limit = -gate.max_class_loss
    losses = {name: loss for name, loss in gains.items() if name != "miou" and loss.estimate < limit}
    for name, loss in losses.items():
        outcome, verb = (Outcome.REJECT, "lies") if loss.high < limit else (Outcome.HOLD, "does not lie")
        numbers = (
            f"its {name} differs from the champion's by {loss.estimate:+.6f}, a loss above register.max_class_loss "
            f"{gate.max_class_loss:g}: the {share} {loss.low:+.6f} to {loss.high:+.6f}"
        )
        yield outcome, f"{numbers} {verb} wholly beyond it"


def fingerprint(model: Path, options: Mapping[str, Any]) -> str:
    """Return a SHA-256 of all that its masks depend on: its files, and the options of predict.load."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for path in sorted(model.iterdir()):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
