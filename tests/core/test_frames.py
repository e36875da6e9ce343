"""Images of a sequence in the order they were taken, by hand."""

import pytest

from pipeline.core import frames


@pytest.mark.parametrize(
    ("ids", "numbers"),
    [
        (["test/a_1.5", "test/a_1.30"], [5, 30]),
        (["drive_000010_left", "drive_000002_left"], [10, 2]),
        (["a_1", "b_1"], None),  # two of the same
        (["a_1", "b"], None),  # one has none
        ([], []),
    ],
)
def test_a_frame_is_the_last_number(ids, numbers):
    assert frames.numbers(ids) == numbers


@pytest.mark.parametrize(
    "ordered",
    [
        ["v_1", "v_2", "v_9", "v_10", "v_100"],
        ["z_1", "a_2"],  # the frame counts, whatever stands before it
        ["a_1_left8bit", "a_2_left8bit", "a_10_left8bit"],  # the last number is the same of all
        ["a1/x", "a2/x", "a10/x"],
        ["a", "a1", "b"],
        ["1", "a"],
        ["a01_5", "a1_5", "a2_5"],  # the same numbers: by leading zeros
    ],
)
def test_in_time(ordered):
    for ids in (ordered, ordered[::-1], [*ordered[2:], *ordered[:2]]):
        assert [ids[i] for i in frames.in_time(ids)] == ordered


def test_of_no_images_there_is_no_order():
    assert frames.in_time([]) == []
