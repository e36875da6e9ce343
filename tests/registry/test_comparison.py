"""The comparison by which a verdict was reached is found from the verdict's rule."""

import pytest

from pipeline.core import bootstrap
from pipeline.core.bootstrap import Resampling
from pipeline.registry import comparison
from pipeline.registry.comparison import Jackknife, Percentile
from tests.support.judged import HALF, scores

EARLIER = {"level": 0.9, "images_per_block": 2, "resamples": 100, "seed": 3, "min_gain": 0.0}


def test_the_comparison_of_a_rule_is_the_one_that_wrote_it():
    for settings in (Jackknife(0.9, 2, spending=True, challenger=4), Jackknife(0.9, 2, spending=False, challenger=1)):
        rule = {**settings.rule, **settings.spent, "alpha_spending": settings.spending}
        assert comparison.of_rule(rule) == settings
    assert comparison.of_rule({**Jackknife(0.9, 2, True, 1).rule, "alpha_spending": True}).challenger == 1


def test_an_earlier_rule_is_the_percentile_bootstrap():
    found = comparison.of_rule(EARLIER)
    assert found == Percentile(0.9, 2, 100, 3)
    assert {**found.rule, **found.spent} == {key: EARLIER[key] for key in EARLIER if key != "min_gain"}
    assert found.interval_name == "90% interval"
    ours, theirs = scores(*[(8, 4, 4), HALF] * 4), scores(*[HALF] * 8)
    blocks = bootstrap.blocks(["a"] * 8, list("12345678"), 2)
    by_bootstrap = bootstrap.paired_difference(ours.counts, theirs.counts, Resampling(blocks, 100, 0.9, 3))
    gains = found.gains(ours, theirs, blocks)
    assert gains["miou"] == by_bootstrap.miou
    assert gains["iou/road"] == by_bootstrap.class_ious[0]


def test_the_bootstrap_needed_two_blocks():
    assert comparison.of_rule(EARLIER).too_few(2) is None
    assert comparison.of_rule(EARLIER).too_few(1) == (
        "expected test images of two blocks or more, got one, which says nothing of other images; set "
        "evaluate.images_per_block lower"
    )


@pytest.mark.parametrize("level", [0.95, 0.5])
def test_what_is_spent_on_any_number_of_challengers_stays_below_the_rate(level):
    spent = [(1 - Jackknife(level, 1, True, number).gain_level) / 2 for number in range(1, 1001)]
    assert spent[:3] == pytest.approx([(1 - level) / 4, (1 - level) / 12, (1 - level) / 24])
    assert sum(spent) == pytest.approx((1 - level) / 2 * (1 - 1 / 1001))


def test_the_level_that_was_used_is_said_in_words():
    settings = {**Jackknife(0.95, 2, True, 3).rule, "alpha_spending": True}
    assert comparison.level_used(settings) == "there was no gain on a champion to judge"
    assert comparison.level_used({**settings, **Jackknife(0.95, 2, True, 3).spent}) == (
        "the gain on the champion was judged at the 99.583% level: challenger 3 of this champion on these test images"
    )
    assert comparison.level_used(EARLIER) == (
        "any gain on a champion was judged at the 90% level, by the percentile bootstrap"
    )
