"""The gate's verdict on models whose counts are worked out by hand."""

import numpy as np

from pipeline.artifacts.verdict import Outcome
from pipeline.core.calibration import Reliability
from pipeline.params.evaluation import Register
from pipeline.registry.comparison import Jackknife
from pipeline.registry.gate import Champion, Costs, decide
from pipeline.registry.standing import Standing
from tests.support import scored as examples

GATE = Register(
    min_miou=0.0,
    min_class_accuracy=0.0,
    min_boundary_f1=0.0,
    min_class_iou=0.0,
    max_calibration_error=None,
    max_megabytes=None,
    max_latency_ms=None,
    min_gain=0.0,
    alpha_spending=True,
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
CHAMPION = Champion(OLD, scores(*[HALF] * 15))


def judged(new, champion=CHAMPION, *, images_per_block=1, challenger=1, standing=NEW, costs=FREE, **gate):
    gate = GATE.model_copy(update=gate)
    comparison = Jackknife(0.95, images_per_block, gate.alpha_spending, challenger)
    return decide(standing, new, champion, costs=costs, gate=gate, comparison=comparison)


def incomparable(new, champion, reason, **options):
    """Assert that the verdict is HOLD without a comparison, for that reason, and says what to do."""
    verdict = judged(new, champion, **options)
    assert (verdict.outcome, verdict.gains) == (Outcome.HOLD, {})
    assert reason in verdict.reasons[0]
    assert verdict.reasons[0].endswith("or promote this version by segnet promote --force")
