from itertools import pairwise
from math import isnan, sqrt

import numpy as np
import pytest

from pipeline.core import metrics
from pipeline.core.jackknife import MIN_BLOCKS, Gain, paired_gains, standard_errors
from pipeline.registry.comparison import Jackknife

T_14 = 2.144787  # the 97.5% quantile of Student's t with 14 degrees of freedom, from a table


def predictions(images, classes, *, right, seed):
    """Return matrices (N, C, C) of models that predict the fraction `right` of the same target pixels correctly."""
    rng = np.random.default_rng(seed)
    targets = np.random.default_rng(99).integers(5, 60, (images, classes))
    targets[::4, classes - 1] = 0  # a class that a quarter of the images lack
    wrong = np.full((classes, classes), (1 - right) / (classes - 1))
    wrong[:, classes - 1] = 0  # and that no model invents
    np.fill_diagonal(wrong, right)
    wrong /= wrong.sum(axis=1, keepdims=True)
    return np.stack([[rng.multinomial(n, p) for n, p in zip(row, wrong, strict=True)] for row in targets])


def plain(better, worse, blocks, column):
    """Return estimate, standard error and number of blocks of a gain by the formulas, block by block."""

    def gain(kept):
        ours, theirs = (metrics.scores(counts[kept].sum(axis=0)) for counts in (better, worse))
        return [ours.miou - theirs.miou, *(ours.class_ious - theirs.class_ious)][column]

    everything = np.arange(len(blocks)) >= 0
    without = []
    for k in sorted(set(blocks.tolist())):
        pixels = (better + worse)[blocks == k].sum(axis=0)
        if not column or pixels[column - 1].sum() + pixels[:, column - 1].sum():
            without.append(gain(blocks != k))
    number, mean = len(without), sum(without) / len(without)
    squares = sum((value - mean) ** 2 for value in without)
    found = sum((a - mean) * (b - mean) for a, b in pairwise(without)) / squares
    rho = min(0.99, max(0.3, found + (1 + 3 * found) / number))
    return gain(everything), sqrt((number - 1) / number * squares * (1 + rho) / (1 - rho)), number


UNEQUAL = np.array([4, 4, 4, 7, 8, 8, *range(9, 43)])  # numbered with gaps


@pytest.mark.parametrize("blocks", [np.repeat(np.arange(20), 2), UNEQUAL])
@pytest.mark.parametrize("rights", [(0.78, 0.78), (0.9, 0.6)])  # the latter: neighbours have similar gains
def test_gains_and_their_errors_are_those_of_the_formulas_block_by_block(blocks, rights):
    better = np.concatenate(
        [
            predictions(40, 4, right=right, seed=1)[part]
            for right, part in zip(rights, (slice(20), slice(20, 40)), strict=True)
        ]
    )
    worse = predictions(40, 4, right=0.75, seed=2)
    gains = paired_gains(better, worse, blocks)
    for column, gain in enumerate([gains.miou, *gains.class_ious]):
        estimate, error, number = plain(better, worse, blocks, column)
        assert (gain.estimate, gain.num_blocks) == (pytest.approx(estimate, abs=1e-12), number)
        assert gain.error == pytest.approx(error, rel=1e-9)


def test_a_correlation_above_the_one_allowed_for_widens_the_interval_worked_by_hand():
    # Sixteen values: eight of 1, then eight of 0. Deviations +-1/2: squares 4, neighbours' products (14 - 1) / 4.
    found = 13 / 16
    rho = found + (1 + 3 * found) / 16  # 1.0273, which is capped
    assert rho > 0.99
    values = np.repeat([1.0, 0.0], 8)
    without = ((values.sum() - values) / 15)[:, None]
    assert standard_errors(without).item() == pytest.approx(sqrt(15 / 16 * 4 / 225 * 1.99 / 0.01))


def test_an_interval_is_the_estimate_and_t_errors_to_both_sides():
    interval = Gain(0.5, 0.1, 15).interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((0.5 - 0.1 * T_14, 0.5 + 0.1 * T_14), abs=1e-7)
    assert Gain(0.1 * T_14, 0.1, 15).interval(0.95).better == pytest.approx(0.975, abs=1e-6)
    assert Gain(0.0, 0.1, 15).interval(0.95).better == 0.5


def test_fewer_blocks_than_the_rates_were_simulated_for_have_no_interval():
    interval = Gain(0.5, 0.1, MIN_BLOCKS - 1).interval(0.95)
    assert interval.estimate == 0.5
    assert isnan(interval.low)
    assert isnan(interval.high)
    assert isnan(interval.better)


def test_models_that_predict_alike_differ_by_exactly_nothing_and_neither_is_better():
    counts = predictions(20, 4, right=0.7, seed=1)
    gains = paired_gains(counts, counts.copy(), np.arange(20))
    for gain in (gains.miou, *gains.class_ious):
        interval = gain.interval(0.95)
        assert (interval.estimate, interval.low, interval.high, interval.better) == (0, 0, 0, 0)


def test_exchanging_the_models_turns_the_gain_round():
    a, b = predictions(20, 4, right=0.72, seed=1), predictions(20, 4, right=0.70, seed=2)
    one, other = (paired_gains(*pair, np.arange(20)).miou.interval(0.9) for pair in ((a, b), (b, a)))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.better == pytest.approx(1 - other.better)


def test_a_class_is_judged_by_the_blocks_that_show_it():
    gains = paired_gains(predictions(20, 4, right=0.72, seed=1), predictions(20, 4, right=0.70, seed=2), np.arange(20))
    assert [gain.num_blocks for gain in (gains.miou, *gains.class_ious)] == [20, 20, 20, 20, 15]


def test_a_class_of_a_single_block_is_undefined_without_it_and_widens_the_interval_of_the_mean():
    counts = predictions(16, 3, right=0.7, seed=1)
    counts[0, 2] = counts[2:, 2] = 0
    better = counts.copy()
    better[1, 2] = 0, 0, counts[1, 2].sum()  # all of the gain is that of one class in one block
    gains = paired_gains(better, counts, np.arange(16))
    assert (gains.class_ious[2].num_blocks, isnan(gains.class_ious[2].error)) == (1, True)
    assert gains.miou.estimate > 0 > gains.miou.interval(0.95).low


@pytest.mark.parametrize("counts", [np.zeros((2, 3, 3), np.int64), np.zeros((3, 3, 3))])
def test_counts_of_another_shape_or_type_are_refused(counts):
    with pytest.raises(ValueError, match=r"expected counts \(3 images, classes, classes\) of int64, got .* stack"):
        paired_gains(counts, counts, np.arange(3))
    right = np.zeros((3, 3, 3), np.int64)
    for pair in ((counts, right), (right, counts)):
        with pytest.raises(ValueError, match=r"expected counts \(3 images, classes, classes\) of int64, got .* stack"):
            paired_gains(*pair, np.arange(3))


def test_models_scored_on_other_images_are_refused():
    counts = predictions(16, 4, right=0.7, seed=1)
    with pytest.raises(ValueError, match=r"expected the same target pixels .* score both on the same test images"):
        paired_gains(counts, counts[::-1], np.arange(16))


def correlated(rng, shape, correlation):
    """Return normal values (cases, blocks) of mean 0 with that correlation of neighbours."""
    values = rng.normal(size=shape)
    for k in range(1, shape[1]):
        values[:, k] = correlation * values[:, k - 1] + sqrt(1 - correlation**2) * values[:, k]
    return values


def above_zero(values, level):
    """Return in which cases the interval of the mean gain lies above 0, (cases,)."""
    blocks = values.shape[1]
    without = (values.sum(axis=1, keepdims=True) - values).T / (blocks - 1)
    margins = Gain(0.0, 1.0, blocks).interval(level).high * standard_errors(without)
    return values.mean(axis=1) > margins


@pytest.mark.parametrize("blocks", [15, 24])
def test_equal_models_are_promoted_in_at_most_3_percent_of_cases_even_if_neighbours_are_correlated(blocks):
    cases = 20_000
    values = correlated(np.random.default_rng(7), (cases, blocks), 0.3)
    assert 0.01 < above_zero(values, 0.95).mean() < 0.03 + 3 * sqrt(0.03 * 0.97 / cases)
    drawn = np.random.default_rng(8).multinomial(blocks, np.full(blocks, 1 / blocks), 400) / blocks
    assert (np.quantile(values[:2000] @ drawn.T, 0.025, axis=1) > 0).mean() > 0.06  # the percentile bootstrap, before


def test_of_50_challengers_none_better_any_is_promoted_in_at_most_3_percent_of_cases():
    rng, cases = np.random.default_rng(9), 2_000
    champion = correlated(rng, (cases, 15), 0.3)
    promoted = {True: np.zeros(cases, bool), False: np.zeros(cases, bool)}
    for challenger in range(1, 51):
        gains = correlated(rng, (cases, 15), 0.3) - champion
        for spending, found in promoted.items():
            found |= above_zero(gains, Jackknife(0.95, 1, spending, challenger).gain_level)
    assert promoted[True].mean() < 0.03 + 3 * sqrt(0.03 * 0.97 / cases)
    assert promoted[False].mean() > 0.2
