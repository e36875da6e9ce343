"""The paper's DeepLab-LargeFOV against DeepLab's published layers and Table 6."""

import pytest
import torch
from torch import nn

from pipeline.core.models import MODELS
from tests.support import full_size


@pytest.fixture(scope="module")
def deeplab():
    return full_size.network("deeplab_largefov")


def test_its_scores_are_45x60_at_360x480(deeplab):
    _, encoded = full_size.planes(deeplab, deeplab.encoder)
    assert encoded == [(64, 360, 480), (128, 180, 240), (256, 90, 120), (512, 45, 60), (512, 45, 60)]
    assert full_size.planes(deeplab, [deeplab.classifier])[1] == [(11, 45, 60)]


def test_its_weights_are_those_of_the_published_layers(deeplab):
    assert full_size.weights(deeplab) == 14_710_464 + 512 * 1024 * 9 + 1024 * 1024 + 1024 * 11


def test_it_is_as_heavy_as_table_6_says(deeplab):
    assert full_size.parameters(deeplab) * 4 / 1e6 == pytest.approx(83, rel=0.015)


def test_conv5_and_fc6_are_dilated(deeplab):
    dilations = [m.dilation[0] for m in deeplab.modules() if isinstance(m, nn.Conv2d)]
    assert dilations == [*[1] * 10, 2, 2, 2, 12, 1, 1]


def test_deep_layers_drop(deeplab):
    layers = [key for key, m in deeplab.named_modules() if isinstance(m, nn.Dropout) and m.p == 0.5]
    assert layers == ["after_pool.2", "after_pool.3", "after_pool.4", "fully_connected.2", "fully_connected.4"]


def test_every_convolution_but_the_classifier_is_normalised(deeplab):
    norms = [m.num_features for m in deeplab.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [64, 64, 128, 128, *[256] * 3, *[512] * 6, 1024, 1024]


def test_logits_are_the_scores_interpolated():
    torch.manual_seed(0)
    model = MODELS["deeplab_largefov"](3, 1 / 16).eval()
    seen = []
    model.classifier.register_forward_hook(lambda _, args, out: seen.append(out))
    logits = model(torch.rand(1, 3, 44, 64) * 255)
    scores = seen[0]
    assert scores.shape == (1, 3, 6, 8)
    # Pixel 12 lies at (12 + 0.5) / 8 - 0.5 = 1.0625 of the scores.
    between = torch.lerp(scores[..., 1], scores[..., 2], 0.0625)
    torch.testing.assert_close(logits[:, :, 12, 12], torch.lerp(between[:, :, 1], between[:, :, 2], 0.0625))
