"""VGG16's convolutions, the encoder of SegNet and its rivals, and their ImageNet weights.

Simonyan and Zisserman, 1409.1556, configuration D, with batch normalisation after every convolution, as the paper adds
it to all networks that it compares (arXiv 1511.00561v3, Sec. 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.core.models.parts import ConvNormRelu, check_trained, scaled

LEVELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the convolutions of each level; a level ends in pooling."""


@dataclass(frozen=True)
class Preprocessing:
    """A VGG16's training input: an image's colours in some order, 0..255, minus `mean`, divided by `deviation`."""

    channels: tuple[int, int, int]
    """The RGB channel that each input channel holds."""
    mean: tuple[float, float, float]
    """Of each input channel."""
    deviation: tuple[float, float, float]
    """Standard deviation of each input channel."""


TORCHVISION = Preprocessing((0, 1, 2), (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""RGB in 0..1, mean (0.485, 0.456, 0.406), deviation (0.229, 0.224, 0.225), here times 255."""
CAFFE = Preprocessing((2, 1, 0), (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
"""BGR, mean-subtracted: the authors' own weights, and copies of them such as Keras's."""
PREPROCESSING = {"torchvision": TORCHVISION, "caffe": CAFFE}


def encoder(width: float, *, last_dilation: int = 1) -> list[nn.Sequential]:
    """Return VGG16's five levels without their pooling; the last level's convolutions have `last_dilation`."""
    levels = [[scaled(channels, width) for channels in level] for level in LEVELS]
    inputs = [3, *(level[-1] for level in levels[:-1])]
    dilations = (1, 1, 1, 1, last_dilation)
    return [chain([a, *level], dilation=d) for a, level, d in zip(inputs, levels, dilations, strict=True)]


def chain(channels: Sequence[int], *, dilation: int = 1) -> nn.Sequential:
    """Return consecutive 3x3 units with the listed channel counts."""
    return nn.Sequential(*(ConvNormRelu(a, b, dilation=dilation) for a, b in pairwise(channels)))


def deep_dropout() -> list[nn.Module]:
    """Return the modules after each level's pooling in networks with deep dropout: 0.5 after pool3, pool4 and pool5.

    The places are those of Bayesian SegNet (Models/bayesian_segnet_train.prototxt). For the rivals, the paper says only
    that all models have dropout of 0.5 at the end of the deeper convolutional layers (Sec. 4).
    """
    return [nn.Identity(), nn.Identity(), nn.Dropout(0.5), nn.Dropout(0.5), nn.Dropout(0.5)]


def load_vgg16(model: nn.Module, tensors: Mapping[str, Tensor], preprocessing: Preprocessing) -> None:
    """Set the 13 encoder convolutions of a network of width 1 from a trained VGG16, in place.

    Biases become part of the running means that are subtracted next, since training leaves them out (parts.py).
    Scale, mean and order of the colours are folded into conv1_1, which gives the same outputs for RGB images in 0..255
    as the VGG16's for its preprocessed ones. At the image's border that cannot be exact: both pad with zeros, which is
    the mean colour there and black here. Batch normalisation is set too if the VGG16 has it, and kept otherwise.

    Args:
        model: A network whose `encoder` is VGG16's.
        tensors: The state dict of torchvision's vgg16 or vgg16_bn; or `conv1_1.weight` (out, in, row, column),
            `conv1_1.bias`, ... as named in Caffe. Other entries are ignored.
        preprocessing: The input that this VGG16 was trained on.

    Raises:
        ValueError: the network has another encoder or width, or a tensor is missing, has another shape or holds what
            no training leaves. The network is then unchanged.
    """
    targets = _targets(_units(model), tensors)
    for name, target in targets.items():
        expected = tuple(target.shape)
        if name not in tensors:
            raise ValueError(
                f"{name}: expected a tensor of shape {expected}, got none; pass the state dict of torchvision's "
                "vgg16 or vgg16_bn, or tensors named as in Caffe: conv1_1.weight, conv1_1.bias, ..."
            )
        if (shape := tuple(tensors[name].shape)) != expected:
            raise ValueError(f"{name}: expected shape {expected}, got {shape}; pass the weights of a VGG16")
        check_trained(name, tensors[name], target)
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])
        weight, bias, *_ = targets.values()
        _fold(weight, bias, preprocessing)
        for unit in _units(model):
            _absorb_bias(unit)


def _units(model: nn.Module) -> list[ConvNormRelu]:
    levels = getattr(model, "encoder", nn.ModuleList())
    units = [module for module in levels.modules() if isinstance(module, ConvNormRelu)]
    if len(units) != 13:
        raise ValueError(
            f"expected a network with VGG16's 13 convolutions as encoder, got {type(model).__name__} with {len(units)} "
            "such units; choose segnet or one of its VGG16-based rivals, or random initial weights"
        )
    if (channels := _conv(units[0]).out_channels) != 64:
        raise ValueError(
            f"expected a network of width 1, whose first convolution has 64 channels, got {channels}; "
            "choose width 1, or random initial weights"
        )
    return units


def _conv(unit: ConvNormRelu) -> nn.Conv2d:
    conv = unit[0]
    assert isinstance(conv, nn.Conv2d)  # noqa: S101  # for mypy: nn.Sequential does not know its parts' types
    return conv


def _targets(units: list[ConvNormRelu], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the network's tensor for each name in `tensors`; conv1_1's weight and bias come first."""
    has_norm, is_caffe = "features.1.running_mean" in tensors, "conv1_1.weight" in tensors
    places = [(level, i) for level, channels in enumerate(LEVELS) for i in range(len(channels))]
    targets: dict[str, Tensor] = {}
    for number, (unit, (level, i)) in enumerate(zip(units, places, strict=True)):
        # torchvision numbers convolutions, ReLUs, normalisations if any, and the pooling that ends each level.
        index = number * (3 if has_norm else 2) + level
        name = f"conv{level + 1}_{i + 1}" if is_caffe else f"features.{index}"
        targets |= {f"{name}.{key}": value for key, value in unit[0].named_parameters()}
        if has_norm and not is_caffe:
            keys = ("weight", "bias", "running_mean", "running_var")
            targets |= {f"features.{index + 1}.{key}": unit[1].state_dict()[key] for key in keys}
    return targets


@torch.no_grad()
def _absorb_bias(unit: ConvNormRelu) -> None:
    """Make the bias of a unit's convolution 0, with the same outputs in evaluation."""
    bias, mean = _conv(unit).bias, unit[1].running_mean
    assert isinstance(bias, Tensor)  # noqa: S101  # for mypy, as above
    assert isinstance(mean, Tensor)  # noqa: S101
    mean -= bias
    bias.zero_()


def _fold(weight: Tensor, bias: Tensor, preprocessing: Preprocessing) -> None:
    """Make a convolution (64, 3, 3, 3) of preprocessed images take RGB in 0..255 instead, with the same outputs."""
    mean, deviation = (
        torch.tensor(values, dtype=torch.float64, device=weight.device)[:, None, None]
        for values in (preprocessing.mean, preprocessing.deviation)
    )
    divided = weight.double() / deviation
    bias.copy_(bias.double() - (divided * mean).sum(dim=(1, 2, 3)))
    weight[:, list(preprocessing.channels)] = divided.to(weight.dtype)
