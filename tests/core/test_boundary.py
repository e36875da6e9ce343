import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pipeline.core.boundary import (
    COLUMNS,
    boundary_pixels,
    counts,
    in_target,
    in_target_or_prediction,
    one_to_many_f1,
    one_to_one_f1,
    scores,
)


def boundary_by_loops(mask):
    height, width = mask.shape
    edges = np.zeros(mask.shape, bool)
    for i in range(height):
        for j in range(width):
            edges[i, j] = len(np.unique(mask[i : i + 2, j : j + 2])) > 1
    return edges


def near_by_loops(pixels, others, reach):
    return sum(any((y - v) ** 2 + (x - u) ** 2 <= reach**2 for v, u in others) for y, x in pixels)


def pairs_of_least_cost_assignment(prediction, target, reach):
    """The reference: one outlier for each pixel of the other side; matches with outliers cost 100 times the reach."""
    n, m = len(prediction), len(target)
    distances = cdist(prediction, target)
    cost = np.full((n + m, n + m), 100 * reach)
    cost[:n, :m] = np.where(distances <= reach, distances, np.inf)
    rows, columns = linear_sum_assignment(cost)
    return int(((rows < n) & (columns < m)).sum())


def random_masks(seed, height, width, num_classes):
    """Prediction and target of random blobs, part of the target void."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, num_classes + 1, (2, height // 2 + 1, width // 2 + 1), np.uint8)
    prediction, target = blobs.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    return np.minimum(prediction, num_classes - 1), target


def upright(width, column, height=4):
    """Class 0 up to and including `column`, class 1 beyond: the boundary of both is that column."""
    return np.tile((np.arange(width) > column).astype(np.uint8), (height, 1))


def lying_bar(width, start, length):
    """Class 1 only in the top row, so that its boundary is `length` pixels of that row, starting at `start`."""
    mask = np.zeros((3, width), np.uint8)
    mask[0, start + 1 : start + length] = 1
    return mask


def test_the_boundary_of_one_pixel_is_the_blocks_that_hold_it():
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = True
    assert np.argwhere(boundary_pixels(mask)).tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]


def test_the_last_row_and_column_compare_along_themselves_and_the_last_corner_is_none():
    mask = np.zeros((4, 4), bool)
    mask[3, 3] = True
    assert np.argwhere(boundary_pixels(mask)).tolist() == [[2, 2], [2, 3], [3, 2]]


def test_the_border_of_the_image_is_no_boundary():
    assert not boundary_pixels(np.ones((4, 4), bool)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (9, 12)])
def test_the_2x2_rule_equals_plain_loops(shape):
    for seed in range(5):
        mask = np.random.default_rng(seed).random(shape) < 0.3
        assert np.array_equal(boundary_pixels(mask), boundary_by_loops(mask))


def test_a_4x4_image_worked_by_hand():
    target, prediction = upright(4, 1), upright(4, 2)  # four boundary pixels each, one pixel apart
    diagonal = np.hypot(4, 4)
    assert counts(prediction, target, 3, tolerance=1.1 / diagonal).tolist() == [[4] * 5, [4] * 5, [0] * 5]
    assert counts(prediction, target, 3, tolerance=0.9 / diagonal).tolist() == [[0, 0, 0, 4, 4]] * 2 + [[0] * 5]


def test_two_predicted_pixels_near_one_true_pixel_match_once_but_are_both_near():
    target, prediction = np.zeros((2, 4, 4), np.uint8)
    target[0, 0] = prediction[0, :2] = 1  # boundary: (0, 0); (0, 0) and (0, 1)
    counted = counts(prediction, target, 2, tolerance=0.25)
    assert counted.tolist() == [[1, 2, 1, 2, 1]] * 2
    assert one_to_one_f1(counted).tolist() == pytest.approx([2 / 3] * 2)
    assert one_to_many_f1(counted).tolist() == [1, 1]


def test_a_pixel_is_matched_even_where_that_takes_apart_a_pair_that_coincides():
    # Boundary columns 0, 1 against 1, 2: only moving every pixel by one matches both.
    prediction, target = lying_bar(4, 0, 2), lying_bar(4, 1, 2)
    assert counts(prediction, target, 2, tolerance=1 / 5)[1].tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize(("shift", "f1"), [(0, 1), (4, 1), (5, 0)])
def test_at_360x480_four_pixels_are_within_the_tolerance_and_five_beyond(shift, f1):
    counted = counts(upright(480, 200 + shift, 360), upright(480, 200, 360), 2)
    assert one_to_one_f1(counted).tolist() == [f1, f1]
    assert one_to_many_f1(counted).tolist() == [f1, f1]


@pytest.mark.parametrize(("shift", "matched"), [(3, 30), (4, 0)])
def test_the_tolerance_itself_still_agrees(shift, matched):
    counted = counts(upright(40, 20 + shift, 30), upright(40, 20, 30), 2, tolerance=0.06)  # 3 of a diagonal of 50
    assert counted[0].tolist() == [matched, matched, matched, 30, 30]


@pytest.mark.parametrize("reach", [1.0, 1.5, 2.3, 4.0])
def test_counts_equal_the_assignment_and_plain_loops(reach):
    matched = 0
    for seed in range(10):
        prediction, target = random_masks(seed, 9, 12, 3)
        counted = counts(prediction, target, 3, tolerance=reach / 15)  # the diagonal is 15
        for c in range(3):
            p, t = (np.argwhere(boundary_by_loops(mask == c)) for mask in (prediction, target))
            pairs = pairs_of_least_cost_assignment(p, t, reach)
            assert counted[c].tolist() == [
                pairs, near_by_loops(p, t, reach), near_by_loops(t, p, reach), len(p), len(t),
            ]  # fmt: skip
            matched += pairs
    assert matched > 200


@pytest.mark.parametrize(("length", "assigned"), [(99, 99), (100, 100), (101, 100), (110, 109)])
def test_only_beyond_a_hundred_tolerances_the_assignment_leaves_out_pixels_that_could_match(length, assigned):
    # A bar moved lengthwise: moving each pixel by 1 costs `length`, leaving one pair out costs 100 tolerances.
    prediction, target = lying_bar(120, 2, length), lying_bar(120, 3, length)
    reach = 1.004
    counted = counts(prediction, target, 2, tolerance=reach / np.hypot(*target.shape))
    p, t = (np.argwhere(boundary_pixels(mask == 1)) for mask in (prediction, target))
    assert len(p) == len(t) == length
    assert pairs_of_least_cost_assignment(p, t, reach) == assigned
    assert counted[1, 0] == length


def test_swapping_prediction_and_target_swaps_their_counts():
    prediction, target = (np.minimum(mask, 2) for mask in random_masks(3, 30, 40, 3))
    swapped = counts(target, prediction, 3, tolerance=0.03)
    assert np.array_equal(counts(prediction, target, 3, tolerance=0.03), swapped[:, [0, 2, 1, 4, 3]])


def test_identical_masks_score_one_and_one_to_many_is_never_below_one_to_one():
    prediction, target = random_masks(4, 60, 80, 4)
    same = counts(prediction, prediction, 4)
    assert one_to_one_f1(same).tolist() == one_to_many_f1(same).tolist() == [1] * 4
    other = counts(prediction, target, 4, tolerance=0.01)
    assert (one_to_many_f1(other) > one_to_one_f1(other)).all()


def test_an_all_void_target_has_no_boundary_but_the_predictions_still_count():
    counted = counts(upright(4, 1), np.full((4, 4), 2, np.uint8), 2)
    assert counted.tolist() == [[0, 0, 0, 4, 0]] * 2
    assert one_to_one_f1(counted).tolist() == one_to_many_f1(counted).tolist() == [0, 0]
    assert scores(counted[None]).boundary_f1 == 0


def test_classes_have_a_boundary_with_void():
    target = upright(4, 1) * 2  # class 0, then void
    assert counts(np.zeros((4, 4), np.uint8), target, 2).tolist() == [[0, 0, 0, 0, 4], [0] * 5]


def test_one_class_images_have_no_boundary_and_no_f1_but_stay_in_the_mean():
    plain = np.zeros((4, 4), np.uint8)
    empty = counts(plain, plain, 2)
    assert not empty.any()
    assert np.isnan([one_to_one_f1(empty), one_to_many_f1(empty)]).all()
    edge = upright(4, 1)
    scored = scores(np.stack([empty, counts(edge, edge, 2)]))
    assert scored.image_f1s.tolist() == [0, 1]
    assert scored.boundary_f1 == 0.5
    assert scored.class_f1s.tolist() == [1, 1]


COUNTS = np.array([
    [[2, 3, 4, 4, 4], [0, 0, 0, 5, 0], [0, 0, 0, 0, 0]],  # class 0 half right, class 1 only predicted
    [[0, 0, 0, 0, 6], [3, 3, 3, 3, 3], [0, 0, 0, 0, 0]],  # class 0 missed, class 1 right
    [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],  # no boundary at all
])  # fmt: skip


def test_bf_counts_the_classes_in_the_ground_truth():
    scored = scores(COUNTS)
    assert scored.image_f1s.tolist() == [1 / 2, 1 / 2, 0]
    assert scored.boundary_f1 == pytest.approx(1 / 3)
    assert scored.class_f1s.tolist() == pytest.approx([1 / 4, 1, np.nan], nan_ok=True)


def test_bf_may_count_the_classes_that_are_only_predicted_too():
    scored = scores(COUNTS, counted=in_target_or_prediction)
    assert scored.image_f1s.tolist() == [1 / 4, 1 / 2, 0]
    assert scored.boundary_f1 == 1 / 4
    assert scored.class_f1s.tolist() == pytest.approx([1 / 4, 1 / 2, np.nan], nan_ok=True)


def test_a_single_boundary_pixel_counts_a_class():
    counts_C5 = np.array([[0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    assert in_target(counts_C5).tolist() == [False, False, True]
    assert in_target_or_prediction(counts_C5).tolist() == [False, True, True]


def test_bf_may_be_one_to_many():
    half = 2 * 3 / 4 / (3 / 4 + 1)  # precision 3/4, recall 1
    assert scores(COUNTS, f1=one_to_many_f1).image_f1s.tolist() == pytest.approx([half, 1 / 2, 0])
    scored = scores(COUNTS, f1=one_to_many_f1, counted=in_target_or_prediction)
    assert scored.image_f1s.tolist() == pytest.approx([half / 2, 1 / 2, 0])
    assert scored.class_f1s.tolist() == pytest.approx([half / 2, 1 / 2, np.nan], nan_ok=True)


def test_counts_are_integers_in_the_order_of_their_names():
    counted = counts(upright(5, 1), lying_bar(5, 0, 3)[[0, 1, 2, 2]], 2, tolerance=0)
    assert counted.dtype == np.int64
    assert dict(zip(COLUMNS, counted[1].tolist(), strict=True)) == {
        "matched": 1, "prediction_near": 1, "target_near": 1, "prediction": 4, "target": 3,
    }  # fmt: skip


@pytest.mark.parametrize(("prediction", "target"), [((2, 3), (3, 2)), ((1, 2, 2), (1, 2, 2))])
def test_masks_of_other_shapes_are_refused(prediction, target):
    with pytest.raises(ValueError, match=r"expected prediction and target \(H, W\) of the same shape"):
        counts(np.zeros(prediction, np.uint8), np.zeros(target, np.uint8), 2)


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_a_negative_tolerance_is_refused(tolerance):
    with pytest.raises(ValueError, match="expected a tolerance >= 0"):
        counts(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), 2, tolerance=tolerance)
