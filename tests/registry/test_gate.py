from dataclasses import replace

import numpy as np
import pytest

from pipeline import params
from pipeline.artifacts.verdict import Outcome
from pipeline.core.calibration import Reliability
from pipeline.params.evaluation import Register
from pipeline.registry.gate import Champion, Costs, Standing, decide
from tests.support import SCENES, scored as examples

PROMOTE, HOLD, REJECT = Outcome
OPTIONS = {"overlap": 0.5, "flip": False}
SETTINGS = params.load(SCENES)
GATE = Register(
    min_miou=0.0,
    min_class_accuracy=0.0,
    min_boundary_f1=0.0,
    min_class_iou=0.0,
    max_calibration_error=None,
    max_megabytes=None,
    max_latency_ms=None,
    min_gain=0.0,
    max_class_loss=1.0,
)
HALF = (4, 4, 4)
NEW, OLD = Standing("f-new", "run-new", "data-1", 0.5), Standing("f-old", "run-old", "data-1", 0.375)


def scores(*images, **changes):
    """Scores of images with 8 pixels each of road, sky and tree: so many of each are correct, the rest is called car.

    The IoU of the three is their share that is correct, car's is 0, and mIoU is the mean of the four.
    """
    counts = np.zeros((len(images), 4, 4), np.int64)
    for count, correct in zip(counts, images, strict=True):
        count[:3, :3], count[:3, 3] = np.diag(correct), 8 - np.array(correct)
    boundaries = np.zeros((len(images), 4, 5), np.int64)
    boundaries[:, 0] = 2, 2, 2, 4, 4  # F1 2 * 2 / 8
    ids = tuple(f"test/{number}" for number in range(len(images)))
    values = {"names": ("road", "sky", "tree", "car"), "ids": ids, "sequences": ids, "counts": counts}
    values |= {"test_data": "data-1", "boundaries": boundaries}
    values |= {"reliability": Reliability(np.array([8]), np.array([4]), np.array([5.0]))}  # |4 - 5| / 8 = 0.125
    return examples.scores(**values | changes)


FREE = Costs(4.0, None)
CHAMPION = Champion(OLD, scores(HALF, HALF))


def judged(new, champion=CHAMPION, *, images_per_block=1, standing=NEW, costs=FREE, **gate):
    sampling = {"images_per_block": images_per_block, "resamples": 200, "level": 0.95, "seed": 1}
    evaluation = SETTINGS.evaluate.model_copy(update=sampling)
    gate = GATE.model_copy(update=gate)
    return decide(standing, new, champion, costs=costs, gate=gate, evaluation=evaluation)


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
    new = scores((6, 4, 2), (6, 4, 2))  # no floor for car, which no mask shows
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


@pytest.mark.parametrize(("min_gain", "outcome", "verb"), [(0.124, PROMOTE, "lies"), (0.125, HOLD, "does not lie")])
def test_the_gain_must_exceed_the_least_one_and_a_tie_with_it_holds(min_gain, outcome, verb):
    verdict = judged(scores((8, 4, 4), (8, 4, 4)), min_gain=min_gain)  # 0.5 - 0.375 in every resample
    assert verdict.outcome is outcome
    sentence = (
        "its mIoU differs from the champion's 0.375000 (run run-old) by +0.125000: the 95% interval +0.125000 to "
        f"+0.125000 {verb} above register.min_gain {min_gain}"
    )
    assert sentence in verdict.reasons
    gain = verdict.gains["miou"]
    assert (gain.estimate, gain.low, gain.high) == (0.125, 0.125, 0.125)
    assert [verdict.gains[f"iou/{name}"].estimate for name in ("road", "sky", "tree", "car")] == [0.5, 0, 0, 0]


def test_a_gain_in_one_image_of_two_is_no_evidence():
    verdict = judged(scores((8, 4, 4), HALF))
    gain = verdict.gains["miou"]
    assert (gain.estimate, gain.low, gain.high) == (0.0625, 0, 0.125)  # either image may be drawn twice
    assert verdict.outcome is HOLD
    assert verdict.reasons[0].endswith("interval +0.000000 to +0.125000 does not lie above register.min_gain 0")


def test_models_that_predict_alike_hold():
    verdict = judged(scores(HALF, HALF))
    assert verdict.outcome is HOLD
    assert "by +0.000000: the 95% interval +0.000000 to +0.000000 does not lie above" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("trees", "max_class_loss", "outcome"),
    [
        ((2, 2), 0.25, PROMOTE),  # -0.25 in every resample
        ((2, 2), 0.24, REJECT),
        ((0, 4), 0.25, PROMOTE),  # -0.5, -0.25 or 0
        ((0, 4), 0.24, HOLD),
        ((0, 4), 0.0, HOLD),
    ],
)
def test_a_class_that_became_worse_rejects_where_that_is_sure_and_holds_where_it_is_not(trees, max_class_loss, outcome):
    verdict = judged(scores(*((8, 8, tree) for tree in trees)), max_class_loss=max_class_loss)
    assert verdict.gains["miou"].low > 0
    assert verdict.outcome is outcome
    verb = {REJECT: "to -0.250000 lies wholly beyond it", HOLD: "to +0.000000 does not lie wholly beyond it"}
    reason = "its iou/tree differs from the champion's by -0.250000, a loss above register.max_class_loss"
    assert verdict.reasons[0].startswith(f"{reason} {max_class_loss:g}: the 95% interval") == (outcome is not PROMOTE)
    assert verdict.reasons[0].endswith(verb.get(outcome, ""))


def test_the_worst_finding_decides_and_comes_first():
    verdict = judged(scores((8, 8, 2), (8, 8, 4)), min_miou=0.9, max_class_loss=0.1)
    assert verdict.outcome is REJECT
    outcomes = [reason.split()[1] for reason in verdict.reasons]
    assert outcomes == ["mIoU", "iou/tree", "mIoU"]  # below the floor; possibly worse; a gain


def incomparable(new, champion, reason, **options):
    verdict = judged(new, champion, **options)
    assert (verdict.outcome, verdict.gains) == (HOLD, {})
    assert reason in verdict.reasons[0]
    assert verdict.reasons[0].endswith("or promote this version by segnet promote --force")


def test_scores_on_other_test_data_are_not_compared():
    other = Champion(replace(OLD, test_data="data-2"), scores(HALF, HALF, test_data="data-2"))
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


def test_a_single_block_of_images_is_no_evidence():
    new = scores((8, 4, 4), (8, 4, 4), sequences=("one", "one"))
    assert judged(new).outcome is PROMOTE
    incomparable(new, CHAMPION, "expected test images of two blocks or more, got one", images_per_block=2)


def test_the_champion_stays_whatever_it_scores_now():
    verdict = judged(scores((0, 0, 0)), standing=replace(OLD, test_data="data-2", miou=0.1), min_miou=0.9)
    assert verdict.outcome is PROMOTE
    assert verdict.reasons == ("this very model, test mIoU 0.100000, is champion already: it stays",)


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
        "max_class_loss": 1.0,
        "level": 0.95,
        "resamples": 200,
        "images_per_block": 1,
        "seed": 1,
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
