"""SegNet-Basic: encoder and decoder of four 7x7 convolutions each, the network that the paper's decoder study varies.

Badrinarayanan et al., arXiv 1511.00561v3, Sec. 3.2; layer by layer as in the release's
Models/segnet_basic_train.prototxt. The paper says "no biases are used after convolutions"; the release has them.
"""

from itertools import pairwise

from torch import nn

from pipeline.core.models.encoder_decoder import EncoderDecoder
from pipeline.core.models.parts import ConvNormRelu, LocalResponseNorm, NormalisedConv2d, scaled

CHANNELS = 64
"""Output channels of every level."""


def segnet_basic(num_classes: int, width: float) -> EncoderDecoder:
    """Return SegNet-Basic.

    Args:
        num_classes: C, the channels of the logits; 11 and width 1 give the release's 1,416,587 parameters.
        width: Factor on every channel count.
    """
    return EncoderDecoder(encoder(width), decoder(width), classifier(num_classes, width))


def encoder(width: float) -> list[nn.Module]:
    """Return the four levels of the encoder; the first one normalises the image.

    The paper describes a local contrast normalisation of the image; the release, like this code, has a local response
    normalisation over its three colours: x / (1 + 2e-5 * (R^2 + G^2 + B^2))^0.75.
    """
    units = [ConvNormRelu(a, b, kernel_size=7) for a, b in pairwise([3, *[scaled(CHANNELS, width)] * 4])]
    return [nn.Sequential(LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1), units[0]), *units[1:]]


def decoder(width: float, *, single_channel: bool = False) -> list[nn.Sequential]:
    """Return the four levels of the decoder: convolution and batch normalisation, no ReLU.

    With `single_channel`, each filter sees only its own channel (a depthwise convolution).
    """
    channels = scaled(CHANNELS, width)
    groups = channels if single_channel else 1
    return [
        nn.Sequential(NormalisedConv2d(channels, channels, 7, padding=3, groups=groups), nn.BatchNorm2d(channels))
        for _ in range(4)
    ]


def classifier(num_classes: int, width: float) -> nn.Conv2d:
    """Return the last convolution: 1x1 with bias."""
    return nn.Conv2d(scaled(CHANNELS, width), num_classes, kernel_size=1)
