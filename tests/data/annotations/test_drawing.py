import contextlib

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pycocotools import mask as coco_mask

from pipeline.data.annotations import drawing
from pipeline.data.annotations.drawing import Region

SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]  # the four pixels from (1, 1) to (2, 2)


def square(height, width):
    return drawing.polygons([SQUARE], height, width)


def everything(height, width):
    return np.ones((height, width), bool)


def test_a_polygon_covers_the_pixels_within():
    assert square(4, 5).astype(int).tolist() == [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def test_several_polygons_of_one_annotation_cover_what_either_covers():
    covered = drawing.polygons([SQUARE, [3, 0, 5, 0, 5, 1, 3, 1]], 4, 5)
    assert covered.astype(int).tolist() == [[0, 0, 0, 1, 1], [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def test_a_polygon_that_leaves_the_image_is_cut_at_its_border():
    assert drawing.polygons([[-5, -5, 2, -5, 2, 9, -5, 9]], 2, 4).astype(int).tolist() == [[1, 1, 0, 0]] * 2


def test_later_regions_cover_earlier_ones_and_equal_labels_are_one():
    drawn = drawing.draw(4, 5, [Region("field", everything), Region("cow", square), Region("field", square)])
    assert drawn.names == (None, "field", "cow")
    assert (drawn.codes == 1).all()
    assert drawing.draw(4, 5, [Region("cow", square)]).codes.sum() == 4


def test_runs_go_row_by_row_and_begin_with_what_is_not_covered():
    assert drawing.runs([2, 3, 1], 2, 3).astype(int).tolist() == [[0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize("counts", [[2, 3], [7, -1], [], [2**62, 1]])
def test_runs_of_another_length_are_refused(counts):
    with pytest.raises(ValueError, match="expected runs of 6 pixels together, got "):
        drawing.runs(counts, 2, 3)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "expected a polygon, got none"),
        ([[1, 1, 3, 1]], "expected x and y of three corners or more, got 4 numbers"),
        ([[1, 1, 3, 1, 3, 3, 1]], "expected x and y of three corners or more, got 7 numbers"),
        ([[1, 1, 3, 1, 3, float("nan")]], "expected corners within 40,000 pixels, got nan"),
        ([[1, 1, 3, 1, 1e9, 3]], "expected corners within 40,000 pixels, got 1e[+]09"),
    ],
)
def test_a_polygon_that_is_none_is_refused(parts, reason):
    with pytest.raises(ValueError, match=reason):
        drawing.polygons(parts, 4, 5)


@pytest.mark.parametrize("size", [(0, 5), (5, 20_001)])
def test_an_image_of_no_or_of_too_many_pixels_is_refused(size):
    with pytest.raises(ValueError, match="expected an image of 1 to 20,000 pixels a side, got "):
        drawing.draw(*size, [])


def test_more_labels_than_codes_are_refused():
    regions = (Region(str(i), everything) for i in range(65_536))
    with pytest.raises(ValueError, match="expected at most 65,535 labels, got more, such as 65535"):
        drawing.draw(1, 1, regions)


@pytest.mark.parametrize("seed", range(20))
def test_compressed_runs_are_what_pycocotools_packed(seed):
    generator = np.random.default_rng(seed)
    wanted = np.zeros((200, 300), np.uint8)
    for _ in range(seed):
        top, left = generator.integers(0, 200, 2)
        wanted[top : top + 90, left : left + generator.integers(1, 90)] ^= 1
    packed = coco_mask.encode(np.asfortranarray(wanted))["counts"].decode()
    assert (wanted == drawing.runs(drawing.unpacked(packed), 300, 200).T).all()


@pytest.mark.parametrize("text", ["5 2", "\xff", "5P", "o" * 40, "/"])
def test_a_text_that_is_no_runs_is_refused(text):
    with pytest.raises(ValueError, match="expected compressed runs, got "):
        drawing.unpacked(text)


@given(st.text(max_size=30), st.integers(1, 50), st.integers(1, 50))
def test_any_text_gives_a_mask_or_is_refused(text, height, width):
    with contextlib.suppress(ValueError):
        assert drawing.runs(drawing.unpacked(text), height, width).shape == (height, width)


COORDINATES = st.floats(-40_000, 40_000) | st.floats(-5, 60) | st.sampled_from((0.0, 1e-300, 40_000.0))


@given(st.lists(COORDINATES, min_size=6, max_size=12))
def test_any_polygon_covers_pixels_of_the_image_or_is_refused(corners):
    with contextlib.suppress(ValueError):
        assert drawing.polygons([corners], 20, 30).shape == (20, 30)
