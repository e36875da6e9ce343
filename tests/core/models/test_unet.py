"""U-Net against Fig. 1 of its paper."""

import pytest
import torch
from torch import nn

from pipeline.core.models import MODELS
from tests.support import full_size

# (in, out, kernel) of all convolutions; the image has three channels here, one in the paper.
INWARDS = [
    (3, 64),
    (64, 64),
    (64, 128),
    (128, 128),
    (128, 256),
    (256, 256),
    (256, 512),
    (512, 512),
    (512, 1024),
    (1024, 1024),
]
OUTWARDS = [(1024, 512), (512, 512), (512, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64)]
UP = [(1024, 512), (512, 256), (256, 128), (128, 64)]


@pytest.fixture(scope="module")
def unet():
    return full_size.network("unet")


def test_its_convolutions_are_those_of_the_figure(unet):
    layers = [(m.in_channels, m.out_channels, *m.kernel_size) for m in unet.modules() if isinstance(m, nn.Conv2d)]
    assert layers == [*((a, b, 3, 3) for a, b in INWARDS + OUTWARDS), (64, 11, 1, 1)]
    layers = [
        (m.in_channels, m.out_channels, *m.kernel_size) for m in unet.modules() if isinstance(m, nn.ConvTranspose2d)
    ]
    assert layers == [(a, b, 2, 2) for a, b in UP]


def test_it_has_23_convolutional_layers(unet):
    assert sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in unet.modules()) == 23


def test_its_parameters_are_those_of_the_figure(unet):
    weights = sum(9 * a * b for a, b in INWARDS + OUTWARDS) + sum(4 * a * b for a, b in UP) + 64 * 11
    biases = sum(b for _, b in INWARDS + OUTWARDS + UP) + 11
    assert full_size.parameters(unet) == weights + biases == 31_032_395


def test_its_planes_at_360x480(unet):
    _, inwards = full_size.planes(unet, unet.encoder)
    assert inwards == [(64, 360, 480), (128, 180, 240), (256, 90, 120), (512, 45, 60), (1024, 23, 30)]
    inputs, outwards = full_size.planes(unet, unet.decoder)
    assert inputs == [(1024, 45, 60), (512, 90, 120), (256, 180, 240), (128, 360, 480)]
    assert outwards == [(512, 45, 60), (256, 90, 120), (128, 180, 240), (64, 360, 480)]


def test_it_drops_at_the_end_of_the_contracting_path_and_normalises_nothing(unet):
    assert [key for key, m in unet.named_modules() if isinstance(m, nn.Dropout)] == ["encoder.3.4", "encoder.4.4"]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in unet.modules())


def test_each_level_outwards_sees_the_features_of_its_level_inwards():
    torch.manual_seed(0)
    model = MODELS["unet"](2, 1 / 16).eval()
    skipped, inputs = [], []
    for level in model.encoder:
        level.register_forward_hook(lambda _, args, out: skipped.append(out))
    for level in model.decoder:
        level.register_forward_hook(lambda _, args, out: inputs.append(args[0]))
    model(torch.rand(1, 3, 36, 52) * 255)
    for features, seen in zip(reversed(skipped[:4]), inputs, strict=True):
        assert torch.equal(seen[:, : features.shape[1]], features)
