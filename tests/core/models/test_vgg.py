"""VGG16's trained weights in our encoders, against convolutions of the images that a VGG16 is trained on."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.core.models import MODELS, vgg
from pipeline.core.models.vgg import CAFFE, TORCHVISION, load_vgg16
from tests.support import full_size

SHAPES = [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256), (512, 256), *[(512, 512)] * 5]
# Names of the 13 convolutions in torchvision's `features` and in Caffe's prototxt.
PLAIN = [f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
WITH_NORM = [f"features.{i}" for i in (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)]
CAFFES = [f"conv{i // 10}_{i % 10}" for i in (11, 12, 21, 22, 31, 32, 33, 41, 42, 43, 51, 52, 53)]
NORMS = [f"features.{i}" for i in (1, 4, 8, 11, 15, 18, 21, 25, 28, 31, 35, 38, 41)]
BASED_ON_VGG16 = ["segnet", "bayesian_segnet", "fcn", "fcn_fixed", "deconvnet", "deeplab_largefov"]


class Encoder(nn.Module):
    def __init__(self, width=1.0):
        super().__init__()
        self.encoder = nn.ModuleList(vgg.encoder(width))


def units(model):
    return [unit for level in model.encoder for unit in level]


@pytest.fixture(scope="module")
def trained():
    """13 pairs of weight and bias."""
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(*shape, 3, 3, generator=generator) / (shape[1] * 4.5) ** 0.5,
            torch.randn(shape[0], generator=generator),
        )
        for shape in SHAPES
    ]


def named(trained, names):
    return {
        f"{name}.{key}": t
        for name, pair in zip(names, trained, strict=True)
        for key, t in zip(("weight", "bias"), pair, strict=True)
    }


@pytest.fixture(scope="module")
def norms():
    generator = torch.Generator().manual_seed(1)
    keys = ("weight", "bias", "running_mean", "running_var")
    tensors = {
        f"{name}.{key}": torch.rand(shape[0], generator=generator) + 0.5
        for name, shape in zip(NORMS, SHAPES, strict=True)
        for key in keys
    }
    return tensors | {f"{name}.num_batches_tracked": torch.tensor(9) for name in NORMS}


def image():
    return torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(3)) * 255


def shown_to_torchvision(image):
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (image / 255 - mean[:, None, None]) / deviation[:, None, None]


def shown_to_caffe(image):
    return image[:, [2, 1, 0]] - torch.tensor([103.939, 116.779, 123.68])[:, None, None]


CASES = {
    "torchvision": (PLAIN, TORCHVISION, shown_to_torchvision),
    "caffe": (CAFFES, CAFFE, shown_to_caffe),
    "caffe's weights under torchvision's names": (PLAIN, CAFFE, shown_to_caffe),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_layer_sees_what_a_vgg16_sees_but_for_the_border(trained, case):
    names, preprocessing, shown = CASES[case]
    model = Encoder()
    load_vgg16(model, named(trained, names), preprocessing)
    conv, norm, _ = model.encoder[0][0]
    output = conv(image()) - norm.running_mean[:, None, None]  # as in evaluation
    weight, bias = trained[0]
    expected = F.conv2d(shown(image()), weight, bias, padding=1)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(output[inside], expected[inside], rtol=1e-4, atol=1e-3 * expected.std().item())
    assert not torch.allclose(output[..., 0, :], expected[..., 0, :], rtol=1e-2)


@pytest.mark.parametrize("case", CASES)
def test_the_deeper_layers_are_copied_and_biases_are_subtracted_from_the_running_means(trained, case):
    names, preprocessing, _ = CASES[case]
    model = Encoder()
    load_vgg16(model, named(trained, names), preprocessing)
    for unit, (weight, bias) in zip(units(model)[1:], trained[1:], strict=True):
        assert torch.equal(unit[0].weight, weight)
        assert torch.equal(unit[1].running_mean, -bias)
        assert not unit[0].bias.any()
    assert all(unit[1].weight.eq(1).all() for unit in units(model))


def test_vgg16_bn_gives_its_own_features_but_for_the_border(trained, norms):
    model = Encoder().eval()
    load_vgg16(model, named(trained, WITH_NORM) | norms, TORCHVISION)
    expected = shown_to_torchvision(image())
    for pair, name in zip(trained[:2], NORMS[:2], strict=True):
        mean, variance, weight, bias = (
            norms[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        expected = F.relu(F.batch_norm(F.conv2d(expected, *pair, padding=1), mean, variance, weight, bias))
    inside = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(model.encoder[0](image())[inside], expected[inside], rtol=1e-4, atol=1e-4)
    for unit, name in zip(units(model), NORMS, strict=True):
        assert torch.equal(unit[1].running_var, norms[f"{name}.running_var"])
        assert torch.equal(unit[1].bias, norms[f"{name}.bias"])


@pytest.mark.parametrize("name", MODELS)
def test_a_network_takes_them_if_its_encoder_is_vgg16(trained, name):
    model = full_size.network(name)
    if name in BASED_ON_VGG16:
        load_vgg16(model, named(trained, PLAIN), CAFFE)
    else:
        with pytest.raises(ValueError, match="expected a network with VGG16's 13 convolutions as encoder, got"):
            load_vgg16(model, named(trained, PLAIN), CAFFE)


@pytest.mark.parametrize("width", [0.5, 2])
def test_another_width_is_refused(trained, width):
    with pytest.raises(ValueError, match=rf"expected a network of width 1, .* got {round(64 * width)}; choose width 1"):
        load_vgg16(Encoder(width), named(trained, PLAIN), TORCHVISION)


def test_a_missing_tensor_is_named_and_nothing_is_changed(trained):
    tensors = named(trained, PLAIN)
    del tensors["features.28.bias"]
    model = Encoder()
    before = model.encoder[0][0][0].weight.clone()
    with pytest.raises(ValueError, match=r"features\.28\.bias: expected a tensor of shape \(512,\), got none; pass"):
        load_vgg16(model, tensors, TORCHVISION)
    assert torch.equal(model.encoder[0][0][0].weight, before)


def test_a_tensor_of_another_shape_is_named_and_nothing_is_changed(trained):
    tensors = named(trained, CAFFES) | {"conv3_1.weight": torch.zeros(256, 256, 3, 3)}
    model = Encoder()
    before = model.encoder[0][0][0].weight.clone()
    with pytest.raises(
        ValueError, match=r"conv3_1\.weight: expected shape \(256, 128, 3, 3\), got \(256, 256, 3, 3\); pass"
    ):
        load_vgg16(model, tensors, CAFFE)
    assert torch.equal(model.encoder[0][0][0].weight, before)


def test_vgg16_bn_without_its_statistics_is_refused(trained, norms):
    tensors = named(trained, WITH_NORM) | norms
    del tensors["features.41.running_var"]
    with pytest.raises(ValueError, match=r"features\.41\.running_var: expected a tensor of shape \(512,\), got none"):
        load_vgg16(Encoder(), tensors, TORCHVISION)
