"""What the gate takes for evidence that a model is better than the champion, or worse in a class."""

import pytest

from pipeline.artifacts.verdict import Outcome
from pipeline.core.bootstrap import Difference
from pipeline.registry.comparison import Jackknife
from pipeline.registry.gate import Champion, decide
from tests.support.judged import FREE, GATE, HALF, NEW, OLD, incomparable, judged, scores

PROMOTE, HOLD, REJECT = Outcome


@pytest.mark.parametrize(("min_gain", "outcome", "verb"), [(0.124, PROMOTE, "lies"), (0.125, HOLD, "does not lie")])
def test_the_gain_must_exceed_the_least_one_and_a_tie_with_it_holds(min_gain, outcome, verb):
    verdict = judged(scores(*[(8, 4, 4)] * 15), min_gain=min_gain)  # 0.5 - 0.375 in every image
    assert verdict.outcome is outcome
    sentence = (
        "its mIoU differs from the champion's 0.375000 (run run-old) by +0.125000: the 97.5% interval for challenger 1 "
        f"on these test images +0.125000 to +0.125000 {verb} above register.min_gain {min_gain}"
    )
    assert sentence in verdict.reasons
    gain = verdict.gains["miou"]
    assert (gain.estimate, gain.low, gain.high) == (0.125, 0.125, 0.125)
    assert [verdict.gains[f"iou/{name}"].estimate for name in ("road", "sky", "tree", "car")] == [0.5, 0, 0, 0]


def test_a_gain_in_one_image_of_fifteen_is_no_evidence():
    verdict = judged(scores((8, 4, 4), *[HALF] * 14))
    gain = verdict.gains["miou"]
    assert gain.estimate == pytest.approx(0.125 / 15)
    assert gain.low < 0 < gain.high
    assert verdict.outcome is HOLD
    assert verdict.reasons[0].endswith("does not lie above register.min_gain 0")


# A gain in every other of 16 images, of 0.125: mean 1/16, standard deviation 1/16, so that the standard error is
# 1/16 sqrt(1.3 / 0.7 / 15) = 0.021992. t with 15 degrees of freedom, by quadrature of its density: 2.1314 at 95%,
# 2.4899 at 97.5%, 3.0363 at 99.1667%, 6.1199 at 99.99804%.
EVERY_OTHER = [(8, 4, 4), HALF] * 8
SIXTEEN = Champion(OLD, scores(*[HALF] * 16))


@pytest.mark.parametrize(
    ("challenger", "spending", "level", "low", "outcome"),
    [
        (1, True, "97.5%", 0.0625 - 0.021992 * 2.4899, PROMOTE),
        (2, True, "99.167%", 0.0625 - 0.021992 * 3.0363, HOLD),
        (50, True, "99.99804%", 0.0625 - 0.021992 * 6.1199, HOLD),
        (1, False, "95%", 0.0625 - 0.021992 * 2.1314, PROMOTE),
        (50, False, "95%", 0.0625 - 0.021992 * 2.1314, PROMOTE),
    ],
)
def test_later_challengers_on_the_same_images_are_judged_at_a_higher_level(challenger, spending, level, low, outcome):
    verdict = judged(scores(*EVERY_OTHER), SIXTEEN, challenger=challenger, alpha_spending=spending)
    assert verdict.outcome is outcome
    assert verdict.rule["challenger"] == challenger
    assert 100 * verdict.rule["gain_level"] == pytest.approx(float(level[:-1]), abs=1e-3)
    assert f"the {level} interval for challenger {challenger} on these test images" in "; ".join(verdict.reasons)
    assert verdict.gains["miou"].low == pytest.approx(low, abs=1e-5)


def test_models_that_predict_alike_hold():
    verdict = judged(scores(*[HALF] * 15))
    assert verdict.outcome is HOLD
    assert "on these test images +0.000000 to +0.000000 does not lie above" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("trees", "max_class_loss", "outcome"),
    [
        ((2, 2), 0.25, PROMOTE),  # -0.25 in every image
        ((2, 2), 0.24, REJECT),
        ((0, 4), 0.25, PROMOTE),  # -0.5 or 0: -0.25 -+ 2.1314 * 0.25 sqrt(1.3 / 0.7 / 15) = 0.1875
        ((0, 4), 0.24, HOLD),
        ((0, 4), 0.0626, HOLD),
        ((0, 4), 0.0624, REJECT),
    ],
)
def test_a_class_that_became_worse_rejects_where_that_is_sure_and_holds_where_it_is_not(trees, max_class_loss, outcome):
    verdict = judged(scores(*[(8, 8, tree) for tree in trees] * 8), SIXTEEN, max_class_loss=max_class_loss)
    assert verdict.gains["miou"].low > 0
    assert verdict.outcome is outcome
    verb = {REJECT: " lies wholly beyond it", HOLD: "to -0.062504 does not lie wholly beyond it"}
    reason = "its iou/tree differs from the champion's by -0.250000, a loss above register.max_class_loss"
    assert verdict.reasons[0].startswith(f"{reason} {max_class_loss:g}: the 95% interval") == (outcome is not PROMOTE)
    assert verdict.reasons[0].endswith(verb.get(outcome, ""))


def test_each_class_that_became_worse_is_named_and_the_miou_once():
    verdict = judged(scores(*[(0, 2, 4)] * 16), SIXTEEN, max_class_loss=0.1)
    beginnings = [reason.partition(" differs")[0] for reason in verdict.reasons]
    assert beginnings == ["its iou/road", "its iou/sky", "its mIoU", "test mIoU 0.187500 reaches register.min_miou 0"]


@pytest.mark.parametrize(
    ("high", "outcome", "verb"),
    [(-0.25, HOLD, "does not lie"), (-0.2500001, REJECT, "lies"), (0.1, HOLD, "does not lie")],
)
def test_a_loss_must_be_exceeded_by_the_whole_interval(high, outcome, verb):
    class ByHand(Jackknife):
        def gains(self, ours, theirs, blocks_N):
            return {"miou": Difference(0.1, 0.1, 0.1, 1.0), "iou/road": Difference(-0.5, -0.625, high, 0.0)}

    comparison = ByHand(0.9, 1, spending=False, challenger=1)
    gate = GATE.model_copy(update={"max_class_loss": 0.25})
    verdict = decide(NEW, scores(*[HALF] * 16), SIXTEEN, costs=FREE, gate=gate, comparison=comparison)
    assert verdict.outcome is outcome
    assert verdict.reasons[0] == (
        "its iou/road differs from the champion's by -0.500000, a loss above register.max_class_loss 0.25: the 90% "
        f"interval -0.625000 to {high:+.6f} {verb} wholly beyond it"
    )


def test_a_class_that_too_few_blocks_show_holds_and_does_not_reject():
    images, masks = [(8, 8, 4), *[(8, 8, 8)] * 14], [HALF] * 15
    new, old = scores(*images), scores(*masks)
    for each, hits in ((new, 0), (old, 8)):
        each.counts[1:, 2] = 0  # trees in the first image alone
        each.counts[0, 2] = 0, 0, hits, 8 - hits
    verdict = judged(new, Champion(OLD, old), max_class_loss=0.1)
    assert verdict.outcome is HOLD
    assert verdict.reasons[1] == (
        "its iou/tree differs from the champion's by -1.000000, a loss above register.max_class_loss 0.1: fewer than "
        "15 blocks of test images show it, too few to be sure of it"
    )


def test_the_worst_finding_decides_and_comes_first():
    verdict = judged(scores(*[(8, 8, 0), (8, 8, 4)] * 8), SIXTEEN, min_miou=0.9, max_class_loss=0.1)
    assert verdict.outcome is REJECT
    outcomes = [reason.split()[1] for reason in verdict.reasons]
    assert outcomes == ["mIoU", "iou/tree", "mIoU"]  # below the floor; possibly worse; a gain


@pytest.mark.parametrize(("images", "images_per_block", "blocks"), [(15, 15, 1), (14, 1, 14), (28, 2, 14)])
def test_fewer_than_fifteen_blocks_are_no_evidence(images, images_per_block, blocks):
    new, old = (scores(*[image] * images, sequences=("one",) * images) for image in ((8, 4, 4), HALF))
    reason = (
        "the champion (run run-old) cannot be compared: expected test images of 15 independent blocks or more, got "
        f"{blocks}, too few to say how sure a gain is; add test images, or set evaluate.images_per_block lower if "
        "images that far apart no longer resemble each other"
    )
    incomparable(new, Champion(OLD, old), reason, images_per_block=images_per_block)


def test_fifteen_blocks_are_evidence():
    new, old = (scores(*[image] * 30, sequences=("one",) * 30) for image in ((8, 4, 4), HALF))
    assert judged(new, Champion(OLD, old), images_per_block=2).outcome is PROMOTE
