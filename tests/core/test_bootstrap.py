import numpy as np
import pytest

from pipeline.core import bootstrap, metrics
from pipeline.core.bootstrap import Interval, Resampling, blocks, intervals, mean_intervals, paired_difference


def predictions(images, classes, *, right, seed):
    """Return matrices (N, C, C) of models that predict the fraction `right` of the same target pixels correctly."""
    rng = np.random.default_rng(seed)
    targets = np.random.default_rng(99).integers(5, 60, (images, classes))
    targets[::3, classes - 1] = 0  # a class that a third of the images lack
    wrong = np.full((classes, classes), (1 - right) / (classes - 1))
    np.fill_diagonal(wrong, right)
    return np.stack([[rng.multinomial(n, p) for n, p in zip(row, wrong, strict=True)] for row in targets])


def named(result):
    return [result.global_accuracy, result.class_accuracy, result.miou, *result.class_ious]


def loop(score, clusters, resamples, seed):
    """Score resamples one by one: draw as many clusters as there are, and list the images of each draw."""
    rng = np.random.default_rng(seed)
    numbers = sorted(set(clusters.tolist()))
    for _ in range(resamples):
        drawn = [numbers[k] for k in rng.integers(len(numbers), size=len(numbers))]
        yield score([n for cluster in drawn for n in range(len(clusters)) if clusters[n] == cluster])


CLUSTERS = np.array([7, 7, 2, 2, 2, 4, 4, 9, 9, 9, 9, 5])  # of unequal size, numbered with gaps


def test_a_sequence_is_cut_into_the_fewest_runs_and_these_are_about_equally_long():
    result = blocks(["Seq05VD"] * 171 + ["0001TP"] * 62, [f"{i:03}" for i in range(233)], 10)
    sizes = np.bincount(result)
    assert len(sizes) == 7 + 18  # ceil(62 / 10) + ceil(171 / 10)
    assert sorted(set(sizes[:7].tolist())) == [8, 9]
    assert sorted(set(sizes[7:].tolist())) == [9, 10]
    assert result[171:].tolist() == sorted(result[171:].tolist())
    assert result[:171].tolist() == sorted(result[:171].tolist())


def test_blocks_are_runs_of_neighbours_of_one_sequence_worked_by_hand():
    assert blocks(["b", "a", "b", "a", "b", "b", "b"], list("1234567"), 2).tolist() == [1, 0, 1, 0, 2, 2, 3]
    assert blocks(["a", "b", "a"], list("123"), 100).tolist() == [0, 1, 0]
    assert blocks(["a", "a", "a"], list("123"), 1).tolist() == [0, 1, 2]


def test_neighbours_are_so_in_time_where_names_in_order_of_text_are_not():
    ids = ["test/v_1", "test/v_10", "test/v_11", "test/v_12", "test/v_2", "test/v_3", "test/v_4", "test/v_9"]
    assert blocks(["v"] * 8, ids, 4).tolist() == [0, 1, 1, 1, 0, 0, 0, 1]


def test_one_id_for_each_image_is_needed():
    with pytest.raises(ValueError, match="zip"):
        blocks(["a", "a"], ["1"], 1)


def test_intervals_equal_those_of_a_plain_loop_that_draws_the_same_clusters(monkeypatch):
    counts = predictions(12, 4, right=0.7, seed=1)
    monkeypatch.setattr(bootstrap, "_CELLS_AT_A_TIME", 6 * 13)  # resamples are processed 15 at a time
    result = intervals(counts, Resampling(CLUSTERS, resamples=100, level=0.9, seed=3))
    scored = list(loop(lambda images: named(metrics.scores(counts[images].sum(axis=0))), CLUSTERS, 100, seed=3))
    low, high = np.quantile(scored, 0.05, axis=0), np.quantile(scored, 0.95, axis=0)
    assert [i.estimate for i in named(result)] == named(metrics.scores(counts.sum(axis=0)))
    np.testing.assert_allclose([i.low for i in named(result)], low, rtol=1e-13)
    np.testing.assert_allclose([i.high for i in named(result)], high, rtol=1e-13)


def test_differences_equal_those_of_a_plain_loop_that_draws_the_same_clusters():
    better, worse = predictions(12, 4, right=0.72, seed=1), predictions(12, 4, right=0.70, seed=2)
    result = paired_difference(better, worse, Resampling(CLUSTERS, resamples=200, level=0.9, seed=3))

    def gain(images):
        a, b = (metrics.scores(counts[images].sum(axis=0)) for counts in (better, worse))
        return [a.miou - b.miou, *(a.class_ious - b.class_ious)]

    gains = np.array(list(loop(gain, CLUSTERS, 200, seed=3)))
    assert 0 < (gains[:, 0] > 0).mean() < 1
    for column, difference in enumerate([result.miou, *result.class_ious]):
        assert difference.estimate == gain(range(12))[column]
        assert difference.low == pytest.approx(np.quantile(gains[:, column], 0.05), rel=1e-12)
        assert difference.high == pytest.approx(np.quantile(gains[:, column], 0.95), rel=1e-12)
        assert difference.better == (gains[:, column] > 0).mean()


def test_means_equal_those_of_a_plain_loop_that_draws_the_same_clusters():
    values = np.random.default_rng(4).random((12, 2))
    values[2:5, 1] = values[7, 1] = np.nan
    result = mean_intervals(values, Resampling(CLUSTERS, resamples=100, level=0.8, seed=5))
    means = np.array(list(loop(lambda images: np.nanmean(values[images], axis=0), CLUSTERS, 100, seed=5)))
    for column, interval in enumerate(result):
        assert interval.estimate == pytest.approx(np.nanmean(values[:, column]))
        assert interval.low == pytest.approx(np.quantile(means[:, column], 0.1))
        assert interval.high == pytest.approx(np.quantile(means[:, column], 0.9))


def drawn_images(rng, clusters, images_per_cluster, pixels):
    """Return two-class matrices whose accuracy differs by cluster around a mean of 0.7, and the clusters."""
    accuracy = np.repeat(rng.beta(7, 3, clusters), images_per_cluster)
    result = rng.binomial(pixels, accuracy)
    counts = np.zeros((len(result), 2, 2), np.int64)
    counts[:, 0, 0], counts[:, 0, 1] = result, pixels - result
    return counts, np.repeat(np.arange(clusters), images_per_cluster)


def test_intervals_over_clusters_contain_the_truth_as_often_as_they_claim_and_over_single_images_they_do_not():
    rng = np.random.default_rng(6)
    hits = {"clusters": 0, "images": 0}
    for trial in range(120):
        counts, clusters = drawn_images(rng, clusters=40, images_per_cluster=5, pixels=100)
        for name, units in (("clusters", clusters), ("images", np.arange(200))):
            result = intervals(counts, Resampling(units, resamples=300, level=0.9, seed=trial)).global_accuracy
            hits[name] += result.low <= 0.7 <= result.high
    assert 0.82 <= hits["clusters"] / 120 <= 0.98  # 0.9 +- 3 standard errors of 0.027
    assert hits["images"] / 120 < 0.7


def test_pairing_finds_a_gain_that_is_small_beside_how_much_images_differ():
    counts, clusters = drawn_images(np.random.default_rng(7), clusters=40, images_per_cluster=5, pixels=1000)
    gained = counts.copy()
    gained[:, 0, 0] += counts[:, 0, 1] // 20  # a twentieth of the errors is corrected
    gained[:, 0, 1] -= counts[:, 0, 1] // 20
    resampling = Resampling(clusters, resamples=1000, level=0.95, seed=8)
    new, old = intervals(gained, resampling).class_ious[0], intervals(counts, resampling).class_ious[0]
    assert new.low < old.high  # the intervals of the two overlap
    assert paired_difference(gained, counts, resampling).class_ious[0].low > 0.01


def test_models_that_predict_alike_differ_by_exactly_nothing_and_neither_is_better():
    counts = predictions(12, 4, right=0.7, seed=1)
    result = paired_difference(counts, counts.copy(), Resampling(CLUSTERS, resamples=500, level=0.95, seed=3))
    for difference in (result.miou, *result.class_ious):
        assert (difference.estimate, difference.low, difference.high, difference.better) == (0, 0, 0, 0)


def test_exchanging_the_models_turns_the_difference_round():
    a, b = predictions(12, 4, right=0.72, seed=1), predictions(12, 4, right=0.70, seed=2)
    resampling = Resampling(CLUSTERS, resamples=500, level=0.9, seed=3)
    one, other = paired_difference(a, b, resampling).miou, paired_difference(b, a, resampling).miou
    assert one.estimate == -other.estimate
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.better == pytest.approx(1 - other.better)  # no resample of these is a tie


def test_the_interval_of_one_cluster_is_its_estimate():
    counts = predictions(12, 4, right=0.7, seed=1)
    resampling = Resampling(np.zeros(12, np.int64), resamples=50, level=0.95, seed=3)
    for interval in named(intervals(counts, resampling)):
        assert interval.low == interval.estimate == interval.high
    (mean,) = mean_intervals(np.random.default_rng(1).random((12, 1)), resampling)
    assert mean.low == mean.estimate == mean.high


def test_a_class_that_no_image_has_is_nan_and_left_out_of_the_mean():
    counts = np.zeros((3, 3, 3), np.int64)
    counts[:, 0, 0], counts[:, 1, 1], counts[:, 1, 0] = 5, 3, 2
    resampling = Resampling(np.arange(3), resamples=20, level=0.95, seed=1)
    result = intervals(counts, resampling)
    assert np.isnan([result.class_ious[2].estimate, result.class_ious[2].low, result.class_ious[2].high]).all()
    assert result.miou == Interval(*[pytest.approx((5 / 7 + 3 / 5) / 2)] * 3)
    assert np.isnan(paired_difference(counts, counts, resampling).class_ious[2].better)


def test_void_alone_has_no_interval():
    result = intervals(np.zeros((2, 3, 3), np.int64), Resampling(np.arange(2), resamples=20, level=0.95, seed=1))
    assert np.isnan([(i.estimate, i.low, i.high) for i in named(result)]).all()


def test_a_class_is_judged_by_the_resamples_that_have_it():
    # Class 1 is in one image of two, half of it predicted: its IoU is 1/2 with that image, and undefined without it.
    counts = np.array([[[4, 0], [0, 0]], [[4, 0], [2, 2]]])
    result = intervals(counts, Resampling(np.arange(2), resamples=100, level=0.9, seed=1))
    assert result.class_ious[1] == Interval(0.5, 0.5, 0.5)
    # mIoU is that of class 0 alone, 1, where image 0 is drawn twice.
    assert result.miou.high == 1


def test_one_class_is_always_right():
    result = intervals(np.full((3, 1, 1), 9), Resampling(np.arange(3), resamples=20, level=0.95, seed=1))
    assert named(result) == [Interval(1.0, 1.0, 1.0)] * 4


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    counts = predictions(12, 4, right=0.7, seed=1)
    first, again, other = (
        intervals(counts, Resampling(CLUSTERS, resamples=100, level=0.95, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.miou != other.miou


def test_counts_beyond_32_bits_are_exact():
    counts = np.array([[[2**40 + 1, 0], [0, 1]], [[2**40, 1], [0, 1]]])
    result = intervals(counts, Resampling(np.zeros(2, np.int64), resamples=3, level=0.5, seed=1))
    assert result.class_ious[0].low == (2**41 + 1) / (2**41 + 2)


@pytest.mark.parametrize("counts", [np.zeros((2, 3, 3), np.int64), np.zeros((3, 3, 2), np.int64), np.zeros((3, 3, 3))])
def test_counts_of_another_shape_or_type_are_refused(counts):
    with pytest.raises(ValueError, match=r"expected counts \(3 images, classes, classes\) of int64, got .* stack"):
        intervals(counts, Resampling(np.arange(3), resamples=9, level=0.9, seed=1))


def test_models_scored_on_other_images_are_refused():
    counts = predictions(12, 4, right=0.7, seed=1)
    with pytest.raises(ValueError, match=r"expected the same target pixels .* score both on the same test images"):
        paired_difference(counts, counts[::-1], Resampling(CLUSTERS, resamples=9, level=0.9, seed=1))
    with pytest.raises(ValueError, match="expected the same target pixels"):
        paired_difference(counts, counts[:, :3, :3], Resampling(CLUSTERS, resamples=9, level=0.9, seed=1))


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 1))])
def test_values_of_another_shape_are_refused(values):
    with pytest.raises(ValueError, match=r"expected scores \(3 images, columns\), got shape .* add an axis"):
        mean_intervals(values, Resampling(np.arange(3), resamples=9, level=0.9, seed=1))


@pytest.mark.parametrize("clusters", [np.zeros(0, np.int64), np.zeros((2, 2), np.int64)])
def test_clusters_of_no_images_are_refused(clusters):
    with pytest.raises(ValueError, match=r"expected clusters \(N,\) of one or more images.*blocks\(\)"):
        Resampling(clusters, resamples=9, level=0.9, seed=1)


@pytest.mark.parametrize(("resamples", "level"), [(0, 0.9), (9, 0.0), (9, 1.0), (9, 95.0)])
def test_no_resamples_and_impossible_levels_are_refused(resamples, level):
    with pytest.raises(
        ValueError, match=r"expected at least one resample and a level between 0 and 1, got .* 10000 and"
    ):
        Resampling(np.arange(3), resamples=resamples, level=level, seed=1)


def test_empty_blocks_are_refused():
    with pytest.raises(ValueError, match="expected at least one image per block, got 0; 1 resamples"):
        blocks(["a"], ["1"], 0)
