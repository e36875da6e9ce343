import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.core import tiles
from pipeline.core.sliding_window import interpolate, stitch


def test_rows_under_two_windows_are_their_weighted_mean():
    windows = [((0, 0), torch.full((1, 2, 2), 1.0)), ((1, 0), torch.full((1, 2, 2), 4.0))]
    weight = torch.tensor([[1.0, 1.0], [3.0, 3.0]])
    # Row 1 is the first window's lower row and the second's upper one: (3 * 1 + 1 * 4) / (3 + 1).
    bands = [(top, values.tolist()) for top, values in stitch(windows, weight, 1, 2)]
    assert bands == [(0, [[[1, 1]]]), (1, [[[1.75, 1.75], [4, 4]]])]


def joined(bands):
    """Return the bands as one tensor, after checking that they are small and leave no gap."""
    heights = [rows.shape[1] for _, rows in bands]
    assert [top for top, _ in bands] == np.cumsum([0, *heights])[:-1].tolist()
    assert all(0 < height <= 64 for height in heights)
    return torch.cat([rows for _, rows in bands], dim=1)


@pytest.mark.parametrize("size", [(4, 6), (5, 6), (4, 9), (11, 17), (40, 31)])
@pytest.mark.parametrize("stride", [(4, 6), (3, 2), (1, 1)])
def test_windows_are_stitched_as_by_whole_arrays(size, stride):
    places = list(tiles.windows(size, (4, 6), stride))
    source = np.random.default_rng(0)
    values = source.random((len(places), 3, 4, 6)).astype(np.float32)
    weight = source.random((4, 6)).astype(np.float32) + 0.1
    sums, weights = np.zeros((3, *size)), np.zeros(size)
    for (top, left), value in zip(places, values, strict=True):
        for y in range(4):
            for x in range(6):
                sums[:, top + y, left + x] += value[:, y, x] * weight[y, x]
                weights[top + y, left + x] += weight[y, x]
    bands = list(stitch(zip(places, torch.from_numpy(values), strict=True), torch.from_numpy(weight), 3, size[1]))
    np.testing.assert_allclose(joined(bands), sums / weights, rtol=2e-6)


def test_a_band_comes_as_soon_as_a_window_begins_below_it():
    taken = []

    def windows():
        for place in tiles.windows((12, 8), (4, 4), (2, 4)):
            taken.append(place)
            yield place, torch.ones(1, 4, 4)

    bands = stitch(windows(), torch.ones(4, 4), 1, 8)
    assert next(bands)[1].shape == (1, 2, 8)
    assert taken == [(0, 0), (0, 4), (2, 0)]


def cut(values, heights):
    tops = np.cumsum([0, *heights])
    assert tops[-1] == values.shape[1]
    return [(int(top), values[:, top : top + height]) for top, height in zip(tops, heights, strict=False)]


def test_two_rows_become_four():
    # Their centres lie at -0.25, 0.25, 0.75 and 1.25 between the old ones; beyond the edge its value is repeated.
    image = torch.tensor([[[0.0], [4.0]]])
    bands = list(interpolate(cut(image, [1, 1]), (2, 1), (4, 1)))
    assert joined(bands).flatten().tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("heights", "old_width", "new"),
    [
        ([1], 1, (1, 3)),
        ([1], 5, (7, 5)),
        ([1] * 9, 4, (13, 9)),
        ([4, 1, 4], 7, (19, 15)),
        ([2, 5], 3, (7, 3)),
        ([5, 5, 1], 9, (101, 10)),
        ([3, 3, 3], 8, (4, 5)),
        ([1000] * 5, 2, (10_001, 3)),
    ],
)
def test_bands_are_resized_as_the_whole_is(heights, old_width, new):
    image = torch.rand(2, sum(heights), old_width, generator=torch.Generator().manual_seed(0))
    bands = interpolate(cut(image, heights), (sum(heights), old_width), new)
    expected = F.interpolate(image[None], new, mode="bilinear", align_corners=False)[0]
    np.testing.assert_allclose(joined(list(bands)), expected, rtol=0, atol=1e-6)


def test_a_band_is_resized_as_soon_as_its_rows_are_at_hand():
    taken = []

    def bands():
        for top in range(0, 30, 10):
            taken.append(top)
            yield top, torch.zeros(1, 10, 2)

    # Row 19 of the result lies a quarter below row 9 of the first band: it needs the second one.
    top, rows = next(interpolate(bands(), (30, 2), (60, 4)))
    assert (top, rows.shape, taken) == (0, (1, 19, 4), [0])


def test_bands_are_small_however_large_the_window():
    (window,) = tiles.windows((150, 3), (150, 3), (75, 2))
    bands = list(stitch([(window, torch.ones(2, 150, 3))], torch.ones(150, 3), 2, 3))
    assert [(top, rows.shape[1]) for top, rows in bands] == [(0, 64), (64, 64), (128, 22)]
