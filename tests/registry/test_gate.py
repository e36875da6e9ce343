from dataclasses import replace

import numpy as np
import pytest

from pipeline.artifacts.verdict import Outcome
from pipeline.registry.gate import Champion, Costs
from pipeline.registry.standing import Standing
from tests.support.judged import CHAMPION, HALF, OLD, incomparable, judged, scores

PROMOTE, HOLD, REJECT = Outcome


def test_the_first_model_that_keeps_the_limits_becomes_champion():
    verdict = judged(scores(HALF), None, min_miou=0.375)
    assert (verdict.outcome, verdict.gains) == (PROMOTE, {})
    assert verdict.reasons == ("test mIoU 0.375000 reaches register.min_miou 0.375", "there is no champion yet")


LIMITS = [
    ("min_miou", 0.375, 0.376, "test mIoU 0.375000 {} register.min_miou"),
    ("min_class_accuracy", 0.5, 0.51, "test class accuracy 0.500000 {} register.min_class_accuracy"),
    ("min_boundary_f1", 0.5, 0.51, "test boundary F1 0.500000 {} register.min_boundary_f1"),
    ("min_class_iou", 0.25, 0.26, "test IoU of tree, the worst class, 0.250000 {} register.min_class_iou"),
]


@pytest.mark.parametrize("champion", [None, CHAMPION])
@pytest.mark.parametrize(("key", "kept", "missed", "sentence"), LIMITS)
def test_a_model_must_reach_each_floor_and_is_rejected_below(key, kept, missed, sentence, champion):
    new = scores(*[(6, 4, 2)] * 15)  # no floor for car, which no mask shows
    below = judged(new, champion, **{key: missed})
    assert below.outcome is REJECT
    assert below.reasons[0] == f"{sentence.format('is below')} {missed:g}"
    at = judged(new, champion, **{key: kept})
    assert at.outcome is (PROMOTE if champion is None else HOLD)
    assert f"{sentence.format('reaches')} {kept:g}" in at.reasons


def test_an_overconfident_model_is_rejected():
    assert judged(scores(HALF), None, max_calibration_error=0.125).outcome is PROMOTE
    verdict = judged(scores(HALF), None, max_calibration_error=0.12)
    assert verdict.outcome is REJECT
    assert verdict.reasons[0] == "test calibration error 0.125000 exceeds register.max_calibration_error 0.12"


def test_undefined_scores_are_rejected():
    nothing = scores(HALF, counts=np.zeros((1, 4, 4), np.int64))
    assert judged(nothing, None).outcome is REJECT
    assert judged(nothing, None, min_class_iou=0.1).reasons[1].startswith("test IoU of any class, the worst class, nan")


def test_scores_on_other_test_data_are_not_compared():
    other = Champion(replace(OLD, test_data="data-2"), scores(*[HALF] * 15, test_data="data-2"))
    reason = (
        "(run run-old) was scored on other test data, data-2, than it, data-1, and data/raw does not hold the latter"
    )
    incomparable(scores((8, 8, 8)), other, reason)


def test_a_champion_without_counts_is_not_compared():
    reason = "its version does not hold the counts of each image that belong to its scores; run dvc repro --force"
    incomparable(scores((8, 8, 8)), Champion(OLD, None), reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": ("test/0", "test/x")},
        {"names": ("road", "sky", "tree", "bus")},
        {"counts": scores(HALF, HALF).counts * 2},
    ],
)
def test_other_images_classes_or_masks_are_not_compared(changes):
    champion = Champion(OLD, scores(HALF, HALF, **changes))
    incomparable(scores((8, 8, 8), HALF), champion, "expected the same images, classes and target pixels")


def test_the_champion_stays_whatever_it_scores_now():
    stays = f"this very model, test mIoU {OLD.miou:.6f}, is champion already: it stays"
    for floor, reason in (
        (0.0, stays),
        (0.9, f"{stays}, though test mIoU 0.000000 is below register.min_miou 0.9"),
    ):
        verdict = judged(scores((0, 0, 0)), standing=replace(OLD, test_data="data-2"), min_miou=floor)
        assert (verdict.outcome, verdict.reasons) == (PROMOTE, (reason,))


def test_the_champions_weights_with_another_score_are_compared_with_it():
    verdict = judged(scores((0, 0, 0)), standing=replace(OLD, miou=0.0))
    assert verdict.outcome is HOLD
    assert verdict.reasons[0].startswith("the champion (run run-old) cannot be compared")


def test_the_rule_in_force_is_part_of_the_verdict():
    assert judged(scores(HALF), None, min_gain=0.01).rule == {
        "min_miou": 0.0,
        "min_class_accuracy": 0.0,
        "min_boundary_f1": 0.0,
        "min_class_iou": 0.0,
        "max_calibration_error": None,
        "max_megabytes": None,
        "max_latency_ms": None,
        "min_gain": 0.01,
        "alpha_spending": True,
        "max_class_loss": 1.0,
        "level": 0.95,
        "images_per_block": 1,
    }


@pytest.mark.parametrize(
    ("key", "kept", "missed", "sentence"),
    [
        ("max_megabytes", 4.0, 3.9, "the size of its weights in MB, 4.0, {} register.max_megabytes"),
        ("max_latency_ms", 20.0, 19.5, "its time for an image in ms, 20.0, {} register.max_latency_ms"),
    ],
)
def test_a_model_that_is_too_large_or_slow_is_rejected(key, kept, missed, sentence):
    costs = Costs(4.0, 20.0)
    verdict = judged(scores(HALF), None, costs=costs, **{key: missed})
    assert verdict.outcome is REJECT
    assert verdict.reasons[0] == f"{sentence.format('exceeds')} {missed:g}"
    assert (
        f"{sentence.format('keeps within')} {kept:g}" in judged(scores(HALF), None, costs=costs, **{key: kept}).reasons
    )


def test_costs_that_were_not_measured_limit_nothing():
    verdict = judged(scores(HALF), None, costs=Costs(None, None), max_megabytes=1.0, max_latency_ms=1.0)
    assert verdict.reasons == ("test mIoU 0.375000 reaches register.min_miou 0", "there is no champion yet")


def test_a_champion_that_cannot_be_read_or_was_lost_holds_the_candidate_back():
    reason = (
        "the champion (run run-old) cannot be compared: its evidence was changed; restore it, run dvc repro --force"
    )
    incomparable(scores(*[HALF] * 15), Champion(OLD, None, "its evidence was changed"), reason)
    lost = Champion(Standing.unknown(), None, "version 2 was deleted")
    incomparable(
        scores(*[HALF] * 15), lost, "the champion cannot be compared: version 2 was deleted; restore it, run dvc"
    )


@pytest.mark.parametrize("champion", [None, CHAMPION])
def test_scores_on_images_that_chose_the_epoch_hold_a_model_back(champion):
    verdict = judged(scores(*[(8, 8, 8)] * 15, split="val"), champion, min_miou=0.1)
    assert verdict.outcome is HOLD
    assert verdict.reasons[0].startswith(
        "expected scores on test images, got those on the validation images, which chose"
    )
    assert any(reason.startswith("val mIoU ") for reason in verdict.reasons)
