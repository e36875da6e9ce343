"""Predictions averaged over sizes and mirror images."""

import pytest
import torch

from pipeline.inference.averaging import averaged


def ramp(x_N3hw):
    """Probabilities of two classes that tell the size and the place of each column."""
    width = x_N3hw.shape[3]
    first = (torch.arange(width) / width).expand(len(x_N3hw), 1, x_N3hw.shape[2], width)
    return torch.cat([first, 1 - first], dim=1)


def size(x_N3hw):
    """One value per pixel: the number of rows that the network saw."""
    return torch.full_like(x_N3hw[:, :1], float(x_N3hw.shape[2]))


def test_its_own_size_alone_is_the_prediction_itself():
    x = torch.rand(2, 3, 6, 8)
    assert torch.equal(averaged(ramp, x, flip=False, scales=(1.0,)), ramp(x))


def test_predictions_of_all_sizes_count_alike():
    values = averaged(size, torch.rand(2, 3, 10, 12), flip=False, scales=(0.5, 1.0, 1.5))
    assert values.shape == (2, 1, 10, 12)
    assert values.flatten().tolist() == pytest.approx([(5 + 10 + 15) / 3] * 240)


def test_each_size_is_averaged_with_its_mirror_image():
    # Column i of n has i/n, and its mirror image (n - 1 - i)/n: the mean is (n - 1)/2n, of 8 and of 16 columns.
    values = averaged(ramp, torch.rand(1, 3, 6, 8), flip=True, scales=(1.0, 2.0))
    assert values[:, 0].flatten().tolist() == pytest.approx([(7 / 16 + 15 / 32) / 2] * 48)
    torch.testing.assert_close(values.sum(dim=1), torch.ones(1, 6, 8))


def test_what_is_predicted_at_another_size_lies_at_the_same_place():
    # A network that says what it sees: a step in the image stays where it is.
    x = torch.zeros(1, 3, 8, 8)
    x[..., 4:] = 1
    values = averaged(lambda seen: seen[:, :1], x, flip=False, scales=(2.0,))
    assert (values[0, 0] > 0.5).equal(x[0, 0] > 0.5)
    assert values[0, 0, 0, 0] == pytest.approx(0)
    assert values[0, 0, 0, 7] == pytest.approx(1)
