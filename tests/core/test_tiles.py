import numpy as np
import pytest

from pipeline.core import tiles


def test_the_grid_covers_an_image_and_reaches_beyond_its_end():
    assert list(tiles.grid((5, 7), (4, 4), (4, 4))) == [(0, 0), (0, 4), (4, 0), (4, 4)]
    assert list(tiles.grid((3, 4), (4, 4), (2, 2))) == [(0, 0)]


@pytest.mark.parametrize(("length", "side", "stride"), [(1, 4, 4), (4, 4, 1), (5, 4, 1), (100, 32, 20), (97, 32, 32)])
def test_no_pixel_of_an_axis_is_left_out_and_no_tile_is_padding_alone(length, side, stride):
    starts = list(tiles.origins(length, side, stride))
    covered = {i for start in starts for i in range(start, start + side)}
    assert covered.issuperset(range(length))
    assert all(start < length for start in starts)
    # One tile fewer would not cover it.
    assert len(starts) == 1 or starts[-2] + side < length


def test_windows_end_with_the_image():
    assert list(tiles.windows((5, 9), (4, 4), (4, 4))) == [(0, 0), (0, 4), (0, 5), (1, 0), (1, 4), (1, 5)]


def test_a_tile_beyond_the_end_is_filled():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert tiles.cut(image, 1, 2, (2, 2), fill=9).tolist() == [[5, 9], [9, 9]]
    assert tiles.cut(image, 0, 1, (2, 2), fill=9).tolist() == [[1, 2], [4, 5]]
    assert tiles.cut(image, 0, 0, (1, 2), fill=9).tolist() == [[0, 1]]
    assert tiles.cut(image, 0, 0, (2, 1), fill=9).tolist() == [[0], [3]]
    assert tiles.cut(image, 1, 0, (2, 4), fill=9).tolist() == [[3, 4, 5, 9], [9, 9, 9, 9]]


def test_cut_tiles_put_together_are_the_image():
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3)).astype(np.uint8)
    whole = np.zeros((64, 96, 3), np.uint8)
    for top, left in tiles.grid((50, 70), (32, 32), (32, 32)):
        whole[top : top + 32, left : left + 32] = tiles.cut(image, top, left, (32, 32), fill=0)
    assert np.array_equal(whole[:50, :70], image)


def test_the_weight_is_largest_in_the_middle_symmetric_and_never_zero():
    weight = tiles.gaussian_weight((32, 48))
    assert weight.shape == (32, 48)
    assert np.array_equal(weight, weight[::-1, ::-1])
    assert weight.max() == weight[15, 23] <= 1
    assert weight.min() == np.float32(1e-3)
    # Half a side from the centre are four standard deviations, less half a pixel.
    edge = np.exp(-0.5 * (23.5 / 6) ** 2 + 0.5 * (0.5 / 6) ** 2)
    assert weight[15, 0] / weight[15, 23] == pytest.approx(edge, abs=1e-3)
