"""The decoder study against the arithmetic of the paper's Table 1."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.core.models import MODELS
from tests.support import full_size

ENCODER = 3 * 64 * 49 + 3 * 64 * 64 * 49  # four 7x7 convolutions, 611,520
# Convolution weights at 11 classes, and what Table 1 prints, in millions.
WEIGHTS = {
    "bilinear": (612_224, 0.625),
    "segnet_basic": (1_415_040, 1.425),
    "segnet_basic_encoder_addition": (1_415_040, 1.425),
    "segnet_basic_single_channel_decoder": (624_768, 0.625),
    "fcn_basic": (645_312, 0.65),
    "fcn_basic_no_addition": (ENCODER + 704 + 4 * 64 * 121, 0.65),
    "fcn_basic_no_dim_reduction": (1_660_800, 1.625),
    "fcn_basic_no_addition_no_dim_reduction": (1_660_800, 1.625),
}
DEEPEST_FIRST = [(23, 30), (45, 60), (90, 120), (180, 240), (360, 480)]


def image(size=64):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(2)) * 255


def small(name, num_classes=5):
    torch.manual_seed(0)
    return MODELS[name](num_classes, 1 / 16).eval()


def zero(*modules):
    for module in modules:
        for parameter in module.parameters():
            nn.init.zeros_(parameter)


@pytest.mark.parametrize("name", WEIGHTS)
def test_it_has_the_weights_of_table_1(name):
    expected, printed = WEIGHTS[name]
    assert full_size.weights(full_size.network(name)) == expected
    assert expected / 1e6 == pytest.approx(printed, rel=0.025)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_encoder_is_segnet_basics(name):
    model, basic = small(name), small("segnet_basic")
    assert {k: v.shape for k, v in model.encoder.state_dict().items()} == {
        k: v.shape for k, v in basic.encoder.state_dict().items()
    }
    assert isinstance(model.encoder[0][0], nn.LocalResponseNorm)


@pytest.mark.parametrize("name", ["bilinear", *(name for name in WEIGHTS if name.startswith("fcn"))])
def test_upsampling_goes_through_the_encoders_sizes(name):
    model = full_size.network(name)
    channels = 64 if name.endswith("no_dim_reduction") else 11
    inputs, outputs = full_size.planes(model, model.upsampling)
    assert inputs == [(channels, *size) for size in DEEPEST_FIRST[:4]]
    assert outputs[0] == (channels, 46, 60)  # of which 45 rows remain


@pytest.mark.parametrize(("name", "channels"), [("fcn_basic", 11), ("fcn_basic_no_dim_reduction", 64)])
def test_pooled_features_of_each_level_are_added(name, channels):
    model = full_size.network(name)
    inputs, outputs = full_size.planes(model, model.bridges)
    assert inputs == [(64, *size) for size in DEEPEST_FIRST[:4]]
    assert outputs == [(channels, *size) for size in DEEPEST_FIRST[:4]]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_fcn_basic_is_the_upsampled_sum_of_its_bridges(level):
    """With all bridges but one zeroed, the logits are that level's scores, interpolated."""
    model = small("fcn_basic")
    zero(*(bridge for i, bridge in enumerate(model.bridges) if i != level))
    seen = []
    model.bridges[level].register_forward_hook(lambda _, args, out: seen.append(out))
    logits = model(image(256))
    expected = seen[0]
    for _ in range(level, 4):
        expected = F.interpolate(expected, scale_factor=2, mode="bilinear")
    inside = (..., slice(32, -32), slice(32, -32))
    torch.testing.assert_close(logits[inside], expected[inside], rtol=1e-4, atol=1e-4)


def test_fcn_basic_without_addition_begins_as_bilinear_interpolation():
    fixed, learnt = small("bilinear"), small("fcn_basic_no_addition")
    assert learnt.load_state_dict(fixed.state_dict(), strict=False).unexpected_keys == []
    inside = (..., slice(48, -48), slice(48, -48))
    torch.testing.assert_close(learnt(image(256))[inside], fixed(image(256))[inside], rtol=1e-4, atol=1e-4)


def test_bilinear_interpolation_learns_nothing_but_encoder_and_scores():
    model = small("bilinear")
    assert list(model.upsampling.parameters()) == list(model.classifier.parameters()) == []


def test_encoder_addition_adds_the_features_from_before_pooling():
    """With a decoder that gives zero, the logits are the first encoder level's features, classified."""
    model = small("segnet_basic_encoder_addition")
    zero(model.decoder)
    expected = model.classifier(model.encoder[0](image()))
    torch.testing.assert_close(model(image()), expected)


def test_encoder_addition_adds_to_what_segnet_basic_decodes():
    model, basic = small("segnet_basic_encoder_addition"), small("segnet_basic")
    seen, plain = [], []
    model.decoder[0].register_forward_hook(lambda _, args, out: seen.append(out))
    basic.decoder[0].register_forward_hook(lambda _, args, out: plain.append(out))
    assert not torch.equal(model(image()), basic(image()))
    assert torch.equal(seen[0], plain[0])


def test_a_single_channel_decoder_filter_sees_its_own_channel_alone():
    level = small("segnet_basic_single_channel_decoder").decoder[0]
    x = torch.rand(1, 4, 9, 9)
    changed = x.clone()
    changed[:, 2] += 1
    assert ((level(x) != level(changed)).flatten(2).any(dim=2)).tolist() == [[False, False, True, False]]
