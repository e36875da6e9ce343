"""SegNet-Basic against the numbers of the release's prototxt."""

import pytest
import torch
from torch import nn

from pipeline.core.models import MODELS
from tests.support import full_size


@pytest.fixture(scope="module")
def basic():
    return full_size.network("segnet_basic")


def test_it_has_the_releases_parameters(basic):
    biases = sum(m.bias.numel() for m in basic.modules() if isinstance(m, nn.Conv2d))
    norms = sum(m.weight.numel() + m.bias.numel() for m in basic.modules() if isinstance(m, nn.BatchNorm2d))
    assert (full_size.weights(basic), biases, norms) == (1_415_040, 523, 1_024)
    assert full_size.parameters(basic) == 1_416_587


def test_its_convolutions_are_those_of_the_prototxt(basic):
    layers = [
        (m.in_channels, m.out_channels, *m.kernel_size, *m.padding) for m in basic.modules() if isinstance(m, nn.Conv2d)
    ]
    assert layers == [(3, 64, 7, 7, 3, 3), *[(64, 64, 7, 7, 3, 3)] * 7, (64, 11, 1, 1, 0, 0)]


def test_its_decoder_has_no_relu(basic):
    assert sum(isinstance(m, nn.ReLU) for m in basic.encoder.modules()) == 4
    assert sum(isinstance(m, nn.ReLU) for m in basic.modules()) == 4
    assert sum(isinstance(m, nn.BatchNorm2d) for m in basic.decoder.modules()) == 4


def test_its_planes_at_360x480_are_those_of_the_prototxt(basic):
    sizes = [(64, 360, 480), (64, 180, 240), (64, 90, 120), (64, 45, 60), (64, 23, 30)]
    _, encoded = full_size.planes(basic, basic.encoder)
    _, pooled = full_size.planes(basic, basic.after_pool)
    unpooled, decoded = full_size.planes(basic, basic.decoder)
    assert encoded == sizes[:4]
    assert pooled == sizes[1:]
    assert unpooled == decoded == sizes[3::-1]


def test_the_image_is_normalised_over_its_colours_first():
    """Caffe's LRN, local_size 5, alpha 1e-4, beta 0.75: x / (1 + 1e-4 / 5 * sum of squares)^0.75."""
    norm = MODELS["segnet_basic"](2, 1 / 16).encoder[0][0]
    image = torch.tensor([100.0, 50.0, 200.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    expected = image / 2.05**0.75  # 1 + 2e-5 * (10,000 + 2,500 + 40,000)
    torch.testing.assert_close(norm(image), expected)
    torch.testing.assert_close(norm(image.contiguous(memory_format=torch.channels_last)), expected)
