"""The paper's FCN against FCN-8s's layers and Table 6."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.core.models import MODELS
from tests.support import full_size

# Convolution weights: VGG16's 13, fc6, fc7, the scores of fc7, pool4, pool3; two 4x4 and one 16x16 deconvolution.
FIXED = 14_710_464 + 512 * 4096 * 49 + 4096 * 4096 + (4096 + 512 + 256) * 11
LEARNT = FIXED + (16 + 16 + 256) * 11 * 11


@pytest.mark.parametrize(("name", "expected"), [("fcn", LEARNT), ("fcn_fixed", FIXED)])
def test_it_has_fcn_8ss_weights(name, expected):
    assert full_size.weights(full_size.network(name)) == expected


def test_it_is_as_heavy_as_table_6_says():
    assert full_size.parameters(full_size.network("fcn")) * 4 / 1e6 == pytest.approx(539, rel=0.005)


@pytest.mark.parametrize("name", ["fcn", "fcn_fixed"])
def test_scores_are_added_at_strides_32_16_and_8(name):
    model = full_size.network(name)
    _, scores = full_size.planes(model, model.scores)
    assert scores == [(11, 12, 15), (11, 23, 30), (11, 45, 60)]
    inputs, outputs = full_size.planes(model, model.upsampling)
    assert inputs == [(11, 12, 15), (11, 23, 30), (11, 45, 60)]
    assert outputs == [(11, 24, 30), (11, 46, 60), (11, 360, 480)]


def test_every_convolution_but_the_scores_is_normalised():
    model = full_size.network("fcn")
    norms = [m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [64, 64, 128, 128, *[256] * 3, *[512] * 6, 4096, 4096]


def test_deep_layers_drop():
    layers = [key for key, m in full_size.network("fcn").named_modules() if isinstance(m, nn.Dropout) and m.p == 0.5]
    assert layers == ["after_pool.2", "after_pool.3", "after_pool.4", "fully_connected.1", "fully_connected.3"]


def test_learnt_deconvolution_begins_as_the_fixed_one():
    torch.manual_seed(0)
    fixed, learnt = MODELS["fcn_fixed"](3, 1 / 32).eval(), MODELS["fcn"](3, 1 / 32).eval()
    assert all(key.startswith("upsampling") for key in learnt.load_state_dict(fixed.state_dict(), strict=False)[0])
    image = torch.rand(1, 3, 256, 256) * 255
    inside = (..., slice(64, -64), slice(64, -64))
    torch.testing.assert_close(learnt(image)[inside], fixed(image)[inside], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alone", [0, 1, 2])
def test_logits_are_the_upsampled_sum_of_the_scores(alone):
    """With all scores but one zeroed, the logits are that one, interpolated from its stride to the image's."""
    torch.manual_seed(0)
    model = MODELS["fcn_fixed"](3, 1 / 32).eval()
    for number, score in enumerate(model.scores):
        if number != alone:
            nn.init.zeros_(score.weight)
    seen = []
    model.scores[alone].register_forward_hook(lambda _, args, out: seen.append(out))
    logits = model(torch.rand(1, 3, 64, 96) * 255)
    expected = seen[0]
    for stride in (2, 2, 8)[alone:]:
        expected = F.interpolate(expected, scale_factor=stride, mode="bilinear")
    assert expected.any()
    torch.testing.assert_close(logits, expected)
