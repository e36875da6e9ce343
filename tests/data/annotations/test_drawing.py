import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pycocotools import mask as coco_mask

from pipeline.data.annotations import drawing
from pipeline.data.annotations.drawing import Covered, Region

SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]  # the four pixels from (1, 1) to (2, 2)


def square(height, width):
    return drawing.polygons([SQUARE], height, width)


def everything(height, width):
    return Covered(0, 0, np.ones((height, width), bool))


def whole(covered, height, width):
    """Return which pixels of the whole image are covered."""
    rows, columns = covered.pixels.shape
    image = np.zeros((height, width), int)
    image[covered.top : covered.top + rows, covered.left : covered.left + columns] = covered.pixels
    assert image.sum() == covered.pixels.sum()  # none of them lies outside
    return image


def test_a_polygon_covers_the_pixels_within():
    assert whole(square(4, 5), 4, 5).tolist() == [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def test_several_polygons_of_one_annotation_cover_what_either_covers():
    covered = drawing.polygons([SQUARE, [3, 0, 5, 0, 5, 1, 3, 1]], 4, 5)
    assert whole(covered, 4, 5).tolist() == [[0, 0, 0, 1, 1], [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def test_a_polygon_that_leaves_the_image_is_cut_at_its_border():
    covered = drawing.polygons([[-5, -5, 2, -5, 2, 9, -5, 9]], 2, 4)
    assert whole(covered, 2, 4).tolist() == [[1, 1, 0, 0]] * 2


def test_later_regions_cover_earlier_ones_and_equal_labels_are_one():
    drawn = drawing.draw(4, 5, [Region("field", everything), Region("cow", square), Region("field", square)])
    assert drawn.names == (None, "field", "cow")
    assert (drawn.codes == 1).all()
    assert drawing.draw(4, 5, [Region("cow", square)]).codes.sum() == 4


def test_runs_go_row_by_row_and_begin_with_what_is_not_covered():
    assert whole(drawing.runs([2, 3, 1], 2, 3), 2, 3).tolist() == [[0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize("counts", [[6], [6, 0], [2, 0, 4], [0, 0, 6, 0]])
def test_runs_without_pixels_cover_none(counts):
    assert not whole(drawing.runs(counts, 2, 3), 2, 3).any()
    assert drawing.runs(counts, 2, 3).pixels.size == 0


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
    assert (wanted == whole(drawing.runs(drawing.unpacked(packed), 300, 200).transposed(), 200, 300)).all()


@pytest.mark.parametrize("text", ["5 2", "\xff", "5P", "o" * 40, "/"])
def test_a_text_that_is_no_runs_is_refused(text):
    with pytest.raises(ValueError, match="expected compressed runs, got "):
        drawing.unpacked(text)


@given(st.text(max_size=30), st.integers(1, 50), st.integers(1, 50))
def test_any_text_gives_a_mask_or_is_refused(text, height, width):
    with contextlib.suppress(ValueError):
        whole(drawing.runs(drawing.unpacked(text), height, width), height, width)


COORDINATES = st.floats(-40_000, 40_000) | st.floats(-5, 60) | st.sampled_from((0.0, 1e-300, 40_000.0))


@given(st.lists(COORDINATES, min_size=6, max_size=12))
def test_any_polygon_covers_pixels_of_the_image_or_is_refused(corners):
    with contextlib.suppress(ValueError):
        whole(drawing.polygons([corners], 20, 30), 20, 30)


# As annotators write them: with few decimals, whose fifths pycocotools rounds; within, partly outside or far outside.
CORNERS = st.integers(-300, 900).map(lambda tenths: tenths / 10) | st.floats(-30, 90) | st.integers(-200, 200)


@given(st.lists(st.lists(CORNERS, min_size=3, max_size=6).map(lambda x: x + x[::-1]), min_size=1, max_size=3))
def test_polygons_cover_what_pycocotools_decodes_of_the_whole_image(parts):
    parts = [[float(value) for value in part] for part in parts]
    wanted = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(parts, 40, 60)))
    assert (whole(drawing.polygons(parts, 40, 60), 40, 60) == wanted).all()


@given(st.lists(st.booleans(), min_size=63, max_size=63), st.sampled_from([(7, 9), (9, 7), (1, 63), (63, 1)]))
def test_runs_of_any_pixels_cover_these_and_a_box_holds_no_empty_border(pixels, size):
    lengths, last = [0], False
    for pixel in pixels:
        lengths += [] if pixel == last else [0]
        lengths[-1] += 1
        last = pixel
    covered = drawing.runs(lengths, *size)
    assert (whole(covered, *size) == np.reshape(pixels, size)).all()
    if any(pixels):
        assert covered.pixels.any(axis=1)[[0, -1]].all()
        assert covered.pixels.any(axis=0)[[0, -1]].all() or covered.pixels.shape[1] == size[1]


def test_runs_of_no_pixels_count_for_none():
    assert whole(drawing.runs([0, 0, 1, 2, 0, 1, 0, 0, 2, 0], 2, 3), 2, 3).tolist() == [[0, 1, 1], [1, 0, 0]]


RADII = st.floats(1e-3, 80)


@given(st.tuples(CORNERS, CORNERS), st.tuples(RADII, RADII), st.floats(-400, 400) | st.just(0.0))
def test_an_ellipse_covers_the_pixels_whose_centre_is_within_wherever_it_lies(centre, radii, degrees):
    y, x = np.ogrid[:40, :60]
    right, down = x + 0.5 - centre[0], y + 0.5 - centre[1]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    wanted = ((right * cosine + down * sine) / radii[0]) ** 2 + ((down * cosine - right * sine) / radii[1]) ** 2 <= 1
    assert (whole(drawing.ellipse(centre, radii, 40, 60, degrees=degrees), 40, 60) == wanted).all()


@pytest.mark.parametrize(
    "cover",
    [
        lambda *size: drawing.polygons([[x + 100 for x in SQUARE]], *size),
        lambda *size: drawing.ellipse((102, 102), (1.0, 2.0), *size, degrees=45),
        lambda height, width: drawing.runs([width * 100 + 100, 2, height * width - width * 100 - 102], height, width),
    ],
)
def test_a_small_shape_takes_little_memory_in_a_large_image(cover):
    assert cover(4000, 5000).pixels.size <= 100
