import math

import numpy as np
import pytest

from pipeline.core.class_weights import WEIGHTINGS, median_frequency


def test_three_classes_worked_by_hand():
    # Tile 1 (10 pixels): 6 of class 0, 2 of class 1, 2 void. Tile 2 (10): 4 of class 0, 6 of class 2.
    pixels = np.array([[6, 2, 0, 2], [4, 0, 6, 0]])
    # f0 = 10/20, f1 = 2/10, f2 = 6/10; median 1/2.
    assert median_frequency(pixels).tolist() == pytest.approx([1.0, 2.5, 5 / 6])


def test_the_root_is_half_way_between_none_and_median_frequency():
    pixels = np.array([[6, 2, 0, 2], [4, 0, 6, 0]])
    assert WEIGHTINGS["root_median_frequency"](pixels).tolist() == pytest.approx([1.0, 2.5**0.5, (5 / 6) ** 0.5])


def test_an_absent_class_weighs_nothing_and_is_not_in_the_median():
    pixels = np.array([[6, 0, 2, 2], [4, 0, 6, 0]])
    # f0 = 10/20, f2 = 8/20; median 0.45.
    assert median_frequency(pixels).tolist() == pytest.approx([0.9, 0.0, 1.125])


def test_camvids_weights_follow_from_its_pixel_counts():
    # Pixels and images of each class in CamVid's 367 training masks of 172,800 pixels, and the weights that others
    # computed from them with void in the median (caffe-segnet issue 37): ours differ by one factor, the median.
    pixels = [10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877, 405385, 184967]
    images = [366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201]
    theirs = [0.2565, 0.1853, 4.3963, 0.1369, 0.9185, 0.3873, 3.5331, 1.8127, 0.7246, 5.8550, 8.1365]
    tiles = np.zeros((367, 12), np.int64)
    for c, (total, shown) in enumerate(zip(pixels, images, strict=True)):
        tiles[:shown, c] = total // shown
        tiles[0, c] += total - total // shown * shown
    tiles[:, 11] = 172_800 - tiles[:, :11].sum(axis=1)
    ours = median_frequency(tiles)
    assert ours[4] == pytest.approx(1)  # Pavement is the median of eleven
    assert (ours * theirs[4]).tolist() == pytest.approx(theirs, rel=2e-3)


@pytest.mark.parametrize("name", sorted({*WEIGHTINGS} - {"none"}))
def test_no_labelled_pixel_is_an_error(name):
    with pytest.raises(ValueError, match="expected labelled pixels in the training tiles, got only void"):
        WEIGHTINGS[name](np.array([[0, 0, 9]]))


def test_enets_weights_are_inverse_logarithms_of_the_shares():
    # Of ten labelled pixels, seven and three; the last class has none.
    expected = [1 / math.log(1.72), 1 / math.log(1.32), 0]
    assert WEIGHTINGS["enet"](np.array([[6, 2, 0, 2], [1, 1, 0, 5]])).tolist() == pytest.approx(expected)


def test_the_effective_number_worked_by_hand():
    # Four labelled pixels: b = 3/4. Three of class 0: 1 - 27/64; one of class 1: 1/4; the weights are 16/37 and 1.
    weights = WEIGHTINGS["effective_number"](np.array([[2, 0, 0, 2], [1, 1, 0, 9]]))
    mean = (16 / 37 + 1) / 2
    assert weights.tolist() == pytest.approx([16 / 37 / mean, 1 / mean, 0])


def test_the_effective_number_of_many_pixels_is_not_lost_in_rounding():
    weights = WEIGHTINGS["effective_number"](np.array([[10**12 - 10**5, 10**5, 0]]))
    assert weights[1] / weights[0] == pytest.approx((1 - math.exp(-1)) * 10**7, rel=1e-5)


def test_a_single_labelled_pixel_has_weight_one():
    assert WEIGHTINGS["effective_number"](np.array([[1, 0, 3]])).tolist() == [1, 0]


def test_none_weighs_all_classes_alike():
    assert WEIGHTINGS["none"](np.array([[5, 0, 1]])).tolist() == [1, 1]
