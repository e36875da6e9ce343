import pytest

from pipeline.planning.evenly import evenly


@pytest.mark.parametrize(
    ("length", "count", "chosen"),
    [(0, 3, []), (2, 3, [0, 1]), (3, 3, [0, 1, 2]), (7, 3, [0, 2, 4]), (10, 4, [0, 2, 5, 7]), (5, 1, [0])],
)
def test_items_are_from_all_over_the_list_in_order(length, count, chosen):
    assert evenly(range(length), count) == chosen
