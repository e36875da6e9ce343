from collections import Counter

import numpy as np
import pytest

from pipeline.core.sampler import Order, Steps, shares_by_class, steps_before

KINDS = pytest.mark.parametrize("kind", ["table", "keyed"])


def tiles_at(positions, num_tiles, seed, shares=None, kind="table"):
    return Order(num_tiles, seed, None if shares is None else np.array(shares), kind=kind).tiles_at(positions)


@KINDS
def test_every_pass_shows_each_tile_once_in_an_order_of_its_own(kind):
    first, second = (tiles_at(range(start, start + 7), 7, 1, kind=kind) for start in (0, 7))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


@KINDS
def test_a_step_may_lie_in_two_passes(kind):
    stream = tiles_at(range(20), 6, 3, kind=kind)
    assert tiles_at(range(4, 8), 6, 3, kind=kind) == stream[4:8]
    assert Counter(stream[:18]) == dict.fromkeys(range(6), 3)


@KINDS
def test_the_order_depends_on_the_seed(kind):
    assert tiles_at(range(50), 50, 1, kind=kind) != tiles_at(range(50), 50, 2, kind=kind)


def test_epochs_share_out_the_steps_of_the_stream():
    assert [steps_before(epoch, 10, 4) for epoch in range(5)] == [0, 3, 5, 8, 10]
    assert [steps_before(epoch, 8, 4) for epoch in range(3)] == [0, 2, 4]


def test_classes_give_their_tiles_as_much_each():
    # Of two classes that occur, the first lies in tiles of 6, 3 and 1 pixels, the second in the last tile alone.
    pixels = np.array([[6, 0, 0, 5], [3, 0, 0, 0], [1, 0, 2, 0]])
    assert shares_by_class(pixels, 1.0) == pytest.approx((0.6 / 2, 0.3 / 2, (0.1 + 1) / 2))
    assert shares_by_class(pixels, 0.25) == pytest.approx((0.25 + 0.075, 0.25 + 0.0375, 0.25 + 0.1375))
    assert sum(shares_by_class(pixels, 0.7)) == pytest.approx(1)


@KINDS
def test_a_tile_is_shown_in_proportion_to_its_share(kind):
    shares = (0.5, 0.25, 0.05, 0.2)  # of passes of four: two, one, a fifth and four fifths of one
    order = Order(4, 1, np.array(shares), kind=kind)
    shown = Counter(order.tiles_at(range(4 * 1000)))
    assert (shown[0], shown[1]) == (2000, 1000)
    assert shown[2] == pytest.approx(200, abs=40)
    assert shown[3] == pytest.approx(800, abs=40)
    for number in range(20):
        counts = Counter(order.tiles_at(range(4 * number, 4 * number + 4)))
        assert (counts[0], counts[1], counts[2] + counts[3]) == (2, 1, 1)


@KINDS
def test_an_order_by_shares_depends_on_seed_and_position_alone(kind):
    shares = (0.4, 0.3, 0.2, 0.1)
    stream = tiles_at(range(40), 4, 3, shares, kind)
    assert tiles_at(range(6, 11), 4, 3, shares, kind) == stream[6:11]
    assert tiles_at(range(40), 4, 4, shares, kind) != stream
    assert stream[:4] != stream[4:8] or stream[4:8] != stream[8:12]


def test_the_order_by_a_table_is_that_of_earlier_versions():
    assert tiles_at(range(5), 5, 7) == np.random.default_rng([7, 0]).permutation(5).tolist()
    generator = np.random.default_rng([7, 1])
    points = (np.arange(4) + generator.random()) / 4  # on segments that end at 0.4, 0.7, 0.9 and 1
    expected = [sum(point >= end for end in (0.4, 0.7, 0.9)) for point in generator.permutation(points)]
    assert tiles_at(range(4, 8), 4, 7, (0.4, 0.3, 0.2, 0.1)) == expected


def test_the_two_kinds_of_order_differ():
    assert tiles_at(range(50), 50, 1) != tiles_at(range(50), 50, 1, kind="keyed")


def test_a_keyed_order_of_any_length_takes_no_memory():
    order = Order(10**12, 1, kind="keyed")  # a table would have 4 TB
    first = order.tiles_at(range(10**12 - 50, 10**12 + 50))  # the end of a pass, and the beginning of the next one
    assert len(set(first)) == 100
    assert min(first) < 10**11
    assert 9 * 10**11 < max(first) < 10**12


def test_a_table_is_kept_of_two_passes():
    order = Order(1000, 1)
    stream = [order.tiles_at(range(1000 * number, 1000 * number + 1000)) for number in range(6)]
    assert order.tiles_at(range(1500, 2500)) == stream[1][500:] + stream[2][:500]
    assert sum(table.nbytes for table, _ in order._tables.values()) == 2 * 4 * 1000


def test_steps_are_drawn_when_asked_for():
    order, asked = Order(10, 1), []

    def share(step):
        asked.append(step)
        return range(4 * step, 4 * step + 2)

    steps = Steps(order, range(3, 8), share)
    assert len(steps) == 5
    assert asked == []
    assert steps[1] == order.tiles_at(range(16, 18))
    assert list(steps[3:99]) == [order.tiles_at(range(24, 26)), order.tiles_at(range(28, 30))]
    assert asked == [4, 6, 7]
