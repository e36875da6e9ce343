import math
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.core.models import MODELS
from pipeline.core.models.parts import (
    ConvNormRelu,
    LearntUpsampling,
    LocalResponseNorm,
    NormalisedConv2d,
    NormalisedDeconv2d,
    crop,
    initialise,
)
from tests.support import ROOT

# Rows of kernels that interpolate bilinearly by the stride; for kernels of twice the stride, Caffe's bilinear filler.
KERNELS = {
    (2, 4): [0.25, 0.75, 0.75, 0.25],
    (2, 8): [0, 0, 0.25, 0.75, 0.75, 0.25, 0, 0],
    (8, 16): [i / 16 for i in (1, 3, 5, 7, 9, 11, 13, 15, 15, 13, 11, 9, 7, 5, 3, 1)],
}


def upsampling(channels, stride, size):
    model = LearntUpsampling(channels, stride, size)
    initialise(model)
    return model


@pytest.mark.parametrize(("stride", "size"), KERNELS)
def test_learnt_upsampling_begins_with_the_bilinear_kernel_from_a_channel_to_itself(stride, size):
    weight = upsampling(3, stride, size).weight
    row = torch.tensor(KERNELS[stride, size], dtype=torch.float32)
    for a in range(3):
        for b in range(3):
            expected = row[:, None] * row[None, :] if a == b else torch.zeros(size, size)
            assert torch.equal(weight[a, b], expected)


@pytest.mark.parametrize(("stride", "size"), KERNELS)
def test_learnt_upsampling_begins_as_interpolation_but_for_the_border(stride, size):
    x = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(1))
    output = upsampling(3, stride, size)(x)
    expected = F.interpolate(x, scale_factor=stride, mode="bilinear")
    inside = (..., slice(stride, -stride), slice(stride, -stride))
    assert output.shape == expected.shape == (2, 3, 6 * stride, 7 * stride)
    torch.testing.assert_close(output[inside], expected[inside])


@pytest.mark.parametrize(
    ("module", "fan_in"),
    [
        (nn.Conv2d(32, 64, 7), 32 * 49),
        (nn.Conv2d(2048, 2048, 7, groups=2048), 49),
        (nn.ConvTranspose2d(64, 32, 7), 32 * 49),  # as Caffe counts
    ],
)
def test_weights_begin_as_caffes_msra_filler(module, fan_in):
    torch.manual_seed(0)
    initialise(module)
    assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.01)
    assert abs(module.weight.mean().item()) < 0.01 * math.sqrt(2 / fan_in) * 3
    assert not module.bias.any()


def test_a_network_of_shapes_alone_does_not_import_torchs_compiler():
    code = """
import sys, torch
from pipeline.core.models import MODELS
with torch.device("meta"):
    network = MODELS["segnet"](11, 0.25)
print(sum(each.numel() for each in network.parameters()))
sys.exit("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    real = sum(each.numel() for each in MODELS["segnet"](11, 0.25).parameters())
    assert (done.returncode, done.stdout) == (0, f"{real}\n"), done.stderr


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (3, 12), (7, 1)])
def test_a_unit_keeps_height_and_width(kernel_size, dilation):
    unit = ConvNormRelu(3, 4, kernel_size=kernel_size, dilation=dilation)
    assert unit(torch.rand(2, 3, 5, 9)).shape == (2, 4, 5, 9)


def test_a_unit_is_a_3x3_convolution_unless_told_otherwise():
    conv, norm, relu = ConvNormRelu(3, 4)
    assert (conv.kernel_size, conv.dilation, conv.padding, conv.stride) == ((3, 3), (1, 1), (1, 1), (1, 1))
    assert (norm.num_features, relu.inplace) == (4, True)


def test_crop_keeps_the_upper_left():
    x = torch.arange(12).reshape(1, 1, 3, 4)
    assert crop(x, (2, 3)).tolist() == [[[[0, 1, 2], [4, 5, 6]]]]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (NormalisedConv2d(4, 6, 3, padding=2, dilation=2, groups=2), F.conv2d),
        (NormalisedDeconv2d(4, 6, 3, padding=1, stride=2, groups=2), F.conv_transpose2d),
    ],
)
def test_a_convolution_before_normalisation_has_its_bias_in_evaluation_only(ours, theirs):
    x = torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(1))
    named = {name: getattr(ours, name) for name in ("stride", "padding", "dilation", "groups")}
    assert set(ours.state_dict()) == {"weight", "bias"}
    assert torch.equal(ours.eval()(x), theirs(x, ours.weight, ours.bias, **named))
    y = ours.train()(x)
    assert torch.equal(y, theirs(x, ours.weight, **named))
    y.sum().backward()
    assert (ours.weight.grad is None, ours.bias.grad) == (False, None)


@pytest.mark.parametrize("name", MODELS)
def test_every_convolution_before_normalisation_leaves_out_its_bias(name):
    layers = [layers for layers in MODELS[name](2, 1 / 16).modules() if isinstance(layers, nn.Sequential)]
    before = [a for each in layers for a, b in pairwise(each) if isinstance(b, nn.BatchNorm2d)]
    assert all(isinstance(layer, NormalisedConv2d | NormalisedDeconv2d) for layer in before)
    assert bool(before) == (name != "unet")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_response_normalisation_is_pytorchs_in_float32_to_the_bit(layout):
    x = (255 * torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(1))).contiguous(memory_format=layout)
    ours, theirs = (kind(5, alpha=1e-4, beta=0.75, k=1) for kind in (LocalResponseNorm, nn.LocalResponseNorm))
    assert torch.equal(ours(x), theirs(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_response_normalisation_of_16_bits_is_computed_in_float32(dtype):
    """x / (1 + 1e-4 / 5 * sum of squares)^0.75; the sum, 52,500, has more digits than bfloat16."""
    x = torch.tensor([100.0, 50.0, 200.0], dtype=dtype).reshape(1, 3, 1, 1)
    y = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)(x)
    assert torch.equal(y, (x.double() / 2.05**0.75).to(dtype))
