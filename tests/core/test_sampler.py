from collections import Counter

import numpy as np
import pytest

from pipeline.core.sampler import shares_by_class, steps_before, tiles_at


def test_every_pass_shows_each_tile_once_in_an_order_of_its_own():
    first, second = tiles_at(range(7), 7, seed=1), tiles_at(range(7, 14), 7, seed=1)
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def test_a_step_may_lie_in_two_passes():
    stream = tiles_at(range(20), 6, seed=3)
    assert tiles_at(range(4, 8), 6, seed=3) == stream[4:8]
    assert Counter(stream[:18]) == dict.fromkeys(range(6), 3)


def test_the_order_depends_on_the_seed():
    assert tiles_at(range(50), 50, seed=1) != tiles_at(range(50), 50, seed=2)


def test_epochs_share_out_the_steps_of_the_stream():
    assert [steps_before(epoch, 10, 4) for epoch in range(5)] == [0, 3, 5, 8, 10]
    assert [steps_before(epoch, 8, 4) for epoch in range(3)] == [0, 2, 4]


def test_classes_give_their_tiles_as_much_each():
    # Of two classes that occur, the first lies in tiles of 6, 3 and 1 pixels, the second in the last tile alone.
    pixels = np.array([[6, 0, 0, 5], [3, 0, 0, 0], [1, 0, 2, 0]])
    assert shares_by_class(pixels, 1.0) == pytest.approx((0.6 / 2, 0.3 / 2, (0.1 + 1) / 2))
    assert shares_by_class(pixels, 0.25) == pytest.approx((0.25 + 0.075, 0.25 + 0.0375, 0.25 + 0.1375))
    assert sum(shares_by_class(pixels, 0.7)) == pytest.approx(1)


def test_a_tile_is_shown_in_proportion_to_its_share():
    shares = (0.5, 0.25, 0.05, 0.2)  # of passes of four: two, one, a fifth and four fifths of one
    shown = Counter(tiles_at(range(4 * 1000), 4, 1, shares))
    assert (shown[0], shown[1]) == (2000, 1000)
    assert shown[2] == pytest.approx(200, abs=40)
    assert shown[3] == pytest.approx(800, abs=40)
    for number in range(20):
        counts = Counter(tiles_at(range(4 * number, 4 * number + 4), 4, 1, shares))
        assert (counts[0], counts[1], counts[2] + counts[3]) == (2, 1, 1)


def test_an_order_by_shares_depends_on_seed_and_position_alone():
    shares = (0.4, 0.3, 0.2, 0.1)
    stream = tiles_at(range(40), 4, 3, shares)
    assert tiles_at(range(6, 11), 4, 3, shares) == stream[6:11]
    assert tiles_at(range(40), 4, 4, shares) != stream
    assert stream[:4] != stream[4:8] or stream[4:8] != stream[8:12]


def test_without_shares_the_order_is_that_of_earlier_versions():
    assert tiles_at(range(5), 5, 7) == np.random.default_rng([7, 0]).permutation(5).tolist()
