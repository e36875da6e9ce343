import pytest

from pipeline.core.schedule import factor


def test_warm_up_rises_linearly_to_one():
    assert [factor("constant", step, 10, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_cosine_falls_from_one_over_the_steps_left():
    assert factor("cosine", 4, 12, 4) == 1
    assert factor("cosine", 8, 12, 4) == pytest.approx(0.5)
    assert factor("cosine", 11, 12, 4) == pytest.approx((1 + -0.9238795) / 2)


def test_constant_stays_one():
    assert {factor("constant", step, 100, 0) for step in range(100)} == {1.0}
