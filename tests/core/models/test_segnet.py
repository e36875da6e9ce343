"""SegNet against the numbers of the release's prototxt."""

import hashlib
import math

import pytest
import torch
from torch import nn

from pipeline.core.models import MODELS
from tests.support import full_size

# Models/segnet_train.prototxt: (in, out) of conv1_1 ... conv5_3, conv5_3_D ... conv1_1_D (the classifier).
CONVOLUTIONS = [
    *[(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)],
    *[(256, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 512)],
    *[(512, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 256)],
    *[(256, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64), (64, 11)],
]


@pytest.fixture(scope="module")
def segnet():
    return full_size.network("segnet")


def test_it_has_the_releases_parameters(segnet):
    biases = sum(m.bias.numel() for m in segnet.modules() if isinstance(m, nn.Conv2d))
    norms = sum(m.weight.numel() + m.bias.numel() for m in segnet.modules() if isinstance(m, nn.BatchNorm2d))
    assert (full_size.weights(segnet), biases, norms) == (29_425_536, 7_947, 15_872)
    assert full_size.parameters(segnet) == 29_449_355


def test_its_convolutions_are_those_of_the_prototxt(segnet):
    convolutions = [m for m in segnet.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == CONVOLUTIONS
    assert all(m.kernel_size == (3, 3) and m.padding == (1, 1) and m.bias is not None for m in convolutions)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in segnet.modules()) == 25
    assert sum(isinstance(m, nn.ReLU) for m in segnet.modules()) == 25


def test_its_planes_at_360x480_are_those_of_the_prototxt(segnet):
    _, encoded = full_size.planes(segnet, segnet.encoder)
    assert encoded == [(64, 360, 480), (128, 180, 240), (256, 90, 120), (512, 45, 60), (512, 23, 30)]
    _, pooled = full_size.planes(segnet, segnet.after_pool)
    assert pooled == [(64, 180, 240), (128, 90, 120), (256, 45, 60), (512, 23, 30), (512, 12, 15)]
    unpooled, decoded = full_size.planes(segnet, segnet.decoder)
    assert unpooled == [(512, 23, 30), (512, 45, 60), (256, 90, 120), (128, 180, 240), (64, 360, 480)]
    assert decoded == [(512, 23, 30), (256, 45, 60), (128, 90, 120), (64, 180, 240), (64, 360, 480)]


def test_weights_begin_as_caffes_msra_filler():
    torch.manual_seed(0)
    conv, norm, _ = MODELS["segnet"](11, 1 / 4).encoder[4][1]
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.01)
    assert not conv.bias.any()
    assert norm.weight.eq(1).all()
    assert norm.bias.eq(0.001).all()


def test_checkpoints_of_earlier_versions_keep_their_meaning():
    """Names, shapes and a seed's values, recorded before the networks of the paper's comparisons were added."""
    torch.manual_seed(0)
    state = MODELS["segnet"](11, 1 / 16).state_dict()
    names = "".join(f"{name}{tuple(value.shape)}" for name, value in state.items())
    assert (
        hashlib.sha256(names.encode()).hexdigest() == "bcd33cfabe9793df2d90922786e1e3a5d49020dd850f60d989a73470e856144e"
    )
    values = [state[name].flatten()[0].item() for name in ("encoder.0.0.0.weight", "decoder.2.1.0.weight")]
    assert [*values, state["classifier.weight"].sum().item()] == pytest.approx(
        [-0.13578238, -0.11260056, -3.8375478], rel=1e-4
    )
