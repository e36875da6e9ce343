from collections import Counter

from pipeline.core.sampler import steps_before, tiles_at


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
