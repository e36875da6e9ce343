"""The gate: PROMOTE, HOLD or REJECT as a pure function of a model's scores and costs and of the champion's scores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from pipeline.artifacts.scores import Scores
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.core import bootstrap
from pipeline.core.bootstrap import Difference
from pipeline.core.jackknife import MIN_BLOCKS
from pipeline.params.evaluation import Register
from pipeline.registry.comparison import Comparison
from pipeline.registry.standing import Standing

_BY_HAND = "or promote this version by segnet promote --force"
_NO_TEST = (
    "expected scores on test images, got those on the validation images, which chose the epoch and so are too good; "
    f"name test images in dataset.splits, {_BY_HAND}"
)


@dataclass(frozen=True)
class Champion:
    """The current champion."""

    standing: Standing
    scores: Scores | None
    """Its counts on each test image; None if they are not available."""
    problem: str | None = None
    """Why nothing can be compared with it, if that is so."""


@dataclass(frozen=True)
class Costs:
    """What it costs to use a model."""

    megabytes: float | None
    """Size of its weights on disk, in 1e6 bytes; None: not measured, since no limit needs it."""
    latency_ms: float | None
    """Time per image in milliseconds; None: not measured, since no limit needs it."""


Ruling = tuple[Outcome, str]
"""The outcome by a single rule, and the sentence with its numbers."""


class IncomparableError(ValueError):
    """Candidate and champion cannot be compared; the message says why, and what to do."""


def decide(
    candidate: Standing,
    scores: Scores,
    champion: Champion | None,
    *,
    costs: Costs,
    gate: Register,
    comparison: Comparison,
) -> Verdict:
    """Return whether `candidate` should be champion.

    It must meet the gate's limits. If there is a champion, both are compared on the same test images, paired, over
    blocks of neighbouring images (comparison.py), and two rules are added:

    * PROMOTE requires that the interval of the gain in mIoU lies above `min_gain`: its lower bound exceeds it. A tie,
      or a lower bound of exactly `min_gain`, is HOLD.
    * A class whose IoU falls by more than `max_class_loss` is REJECT if the whole interval lies beyond that loss, and
      HOLD if the estimate does but the interval reaches up to a smaller loss, or too few blocks show the class.

    Models that cannot be compared, also for want of independent blocks, and those that were not scored on test images,
    are HOLD. The champion itself stays champion, and the reason says which limits it misses.

    Args:
        candidate: the model.
        scores: its scores.
        champion: the current champion, if there is one.
        costs: the candidate's.
        gate: section register of the params.
        comparison: how both are compared.
    """
    rule = {**gate.model_dump(), **comparison.rule}
    findings, gains = [*_limits(scores, gate), *_cost_limits(costs, gate)], dict[str, Difference]()
    if champion is not None and _is_same(candidate, champion.standing):
        return Verdict(Outcome.PROMOTE, (_stays(candidate, findings),), candidate.test_data, rule, {})
    if scores.split != "test":
        findings.append((Outcome.HOLD, _NO_TEST))
    if champion is None:
        findings.append((Outcome.PROMOTE, "there is no champion yet"))
    else:
        try:
            gains = _gains(scores, champion, comparison)
            findings += _evidence(gains, champion.standing, comparison, gate)
            rule |= comparison.spent
        except IncomparableError as err:
            findings.append((Outcome.HOLD, str(err)))
    findings.sort(key=lambda finding: -finding[0])
    return Verdict(findings[0][0], tuple(sentence for _, sentence in findings), candidate.test_data, rule, gains)


def _is_same(candidate: Standing, champion: Standing) -> bool:
    """Return whether two versions are one model with one score; of other code, the same weights may have another."""
    return (candidate.fingerprint, candidate.miou) == (champion.fingerprint, champion.miou)


def _stays(champion: Standing, findings: Sequence[Ruling]) -> str:
    missed = "; ".join(sentence for outcome, sentence in findings if outcome is not Outcome.PROMOTE)
    reason = f"this very model, test mIoU {champion.miou:.6f}, is champion already: it stays"
    return f"{reason}, though {missed}" if missed else reason


def _limits(scores: Scores, gate: Register) -> Iterator[Ruling]:
    """Yield the ruling of each limit that applies with or without a champion; an undefined score meets none."""
    values = scores.metrics
    pixels_C = scores.confusion.sum(axis=1)
    ious = ((values[f"test/iou/{name}"], name) for name, n in zip(scores.names, pixels_C, strict=True) if n)
    worst, name = min(ious, default=(nan, "any class"))
    for what, value, key in (
        ("mIoU", values["test/miou"], "min_miou"),
        ("class accuracy", values["test/class_accuracy"], "min_class_accuracy"),
        ("boundary F1", values["test/boundary_f1"], "min_boundary_f1"),
        (f"IoU of {name}, the worst class,", worst, "min_class_iou"),
    ):
        floor = getattr(gate, key)
        outcome, verb = (Outcome.PROMOTE, "reaches") if value >= floor else (Outcome.REJECT, "is below")
        if floor or key == "min_miou":
            yield outcome, f"{scores.split} {what} {value:.6f} {verb} register.{key} {floor:g}"
    if gate.max_calibration_error is not None:
        error, limit = values["test/calibration_error"], gate.max_calibration_error
        outcome, verb = (Outcome.PROMOTE, "keeps within") if error <= limit else (Outcome.REJECT, "exceeds")
        yield outcome, f"{scores.split} calibration error {error:.6f} {verb} register.max_calibration_error {limit:g}"


def _cost_limits(costs: Costs, gate: Register) -> Iterator[Ruling]:
    """Yield the rulings of the limits on size and latency."""
    for what, value, key in (
        ("the size of its weights in MB", costs.megabytes, "max_megabytes"),
        ("its time for an image in ms", costs.latency_ms, "max_latency_ms"),
    ):
        limit = getattr(gate, key)
        if limit is not None and value is not None:
            outcome, verb = (Outcome.PROMOTE, "keeps within") if value <= limit else (Outcome.REJECT, "exceeds")
            yield outcome, f"{what}, {value:.1f}, {verb} register.{key} {limit:g}"


def _gains(scores: Scores, champion: Champion, comparison: Comparison) -> dict[str, Difference]:
    """Return by how much the candidate exceeds the champion in miou and iou/<class>.

    Raises:
        IncomparableError: they were scored on different images or classes, the champion's counts are not available, or
            there are too few blocks of images.
    """
    run = f"the champion (run {champion.standing.run})" if champion.standing.fingerprint else "the champion"
    if champion.problem is not None:
        raise IncomparableError(
            f"{run} cannot be compared: {champion.problem}; restore it, run dvc repro --force --single-item register "
            f"at its commit, {_BY_HAND}"
        )
    if champion.standing.test_data != scores.test_data:
        raise IncomparableError(
            f"{run} was scored on other test data, {champion.standing.test_data}, than it, {scores.test_data}, and "
            f"data/raw does not hold the latter: they cannot be compared; run dvc repro there first, {_BY_HAND}"
        )
    if champion.scores is None:
        raise IncomparableError(
            f"{run} cannot be compared: its version does not hold the counts of each image that belong to its scores; "
            f"run dvc repro --force --single-item register at the champion's commit, which keeps them, {_BY_HAND}"
        )
    ours, theirs = scores, champion.scores
    targets, their_targets = ours.counts.sum(axis=2), theirs.counts.sum(axis=2)
    if (ours.ids, ours.names) != (theirs.ids, theirs.names) or not np.array_equal(targets, their_targets):
        raise IncomparableError(
            f"{run} cannot be compared: expected the same images, classes and target pixels in the scores of both, got "
            f"others; evaluate both with the same data set params, {_BY_HAND}"
        )
    blocks_N = bootstrap.blocks(ours.sequences, ours.ids, comparison.images_per_block)
    if (expected := comparison.too_few(len(np.unique(blocks_N)))) is not None:
        raise IncomparableError(f"{run} cannot be compared: {expected}, {_BY_HAND}")
    return comparison.gains(ours, theirs, blocks_N)


def _evidence(
    gains: Mapping[str, Difference], champion: Standing, comparison: Comparison, gate: Register
) -> Iterator[Ruling]:
    """Yield the ruling on the gain in mIoU, and one on each class that lost more than allowed."""
    gain = gains["miou"]
    outcome, verb = (Outcome.PROMOTE, "lies") if gain.low > gate.min_gain else (Outcome.HOLD, "does not lie")
    numbers = (
        f"its mIoU differs from the champion's {champion.miou:.6f} (run {champion.run}) by {gain.estimate:+.6f}: the "
        f"{comparison.interval_name} {gain.low:+.6f} to {gain.high:+.6f}"
    )
    yield outcome, f"{numbers} {verb} above register.min_gain {gate.min_gain:g}"
    limit = -gate.max_class_loss
    losses = {name: loss for name, loss in gains.items() if name != "miou" and loss.estimate < limit}
    for name, loss in losses.items():
        outcome, verb = (Outcome.REJECT, "lies") if loss.high < limit else (Outcome.HOLD, "does not lie")
        numbers = (
            f"its {name} differs from the champion's by {loss.estimate:+.6f}, a loss above register.max_class_loss "
            f"{gate.max_class_loss:g}: "
        )
        if isnan(loss.high):
            yield outcome, f"{numbers}fewer than {MIN_BLOCKS} blocks of test images show it, too few to be sure of it"
        else:
            interval = f"the {comparison.level * 100:g}% interval {loss.low:+.6f} to {loss.high:+.6f}"
            yield outcome, f"{numbers}{interval} {verb} wholly beyond it"
