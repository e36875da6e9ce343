"""DeconvNet on VGG16, as the paper compares it: deconvolution and unpooling around narrowed fully connected layers.

Noh, Hong and Han, "Learning Deconvolution Network for Semantic Segmentation", 1505.04366, Sec. 3, with the changes of
the SegNet paper's Sec. 4 (arXiv 1511.00561v3): fully connected width 1024 in place of 4096, dropout in deep layers.
Left open, and decided here: the fully connected layers pad their input by 3 and so keep its size, which allows images
of any size (DeconvNet's own are 224x224, and 7x7 shrinks to one point there); dropout is placed as in Bayesian SegNet.
Table 6 gives the model 877 MB; with width 1024 it is 328 MB, with 4096 1,007 MB.
"""

from itertools import pairwise

from torch import nn

from pipeline.core.models import vgg
from pipeline.core.models.encoder_decoder import EncoderDecoder
from pipeline.core.models.parts import ConvNormRelu, NormalisedDeconv2d, scaled

# Channels through the deconvolutions of each level, from the deepest outwards.
_LEVELS = (
    (512, 512, 512, 512),
    (512, 512, 512, 256),
    (256, 256, 256, 128),
    (128, 128, 64),
    (64, 64, 64),
)


def deconvnet(num_classes: int, width: float) -> EncoderDecoder:
    """Return DeconvNet.

    In training, batch normalisation of the fully connected layers needs more than one value per channel: two images, or
    a side of more than 32 pixels.

    Args:
        num_classes: C, the channels of the logits.
        width: Factor on every channel count but C.
    """
    encoder = vgg.encoder(width)
    deep, full = scaled(512, width), scaled(1024, width)
    middle = nn.Sequential(
        nn.Dropout(0.5),
        ConvNormRelu(deep, full, kernel_size=7),
        ConvNormRelu(full, full, kernel_size=1),
        DeconvNormRelu(full, deep, kernel_size=7),
    )
    decoder = [
        nn.Sequential(*(DeconvNormRelu(scaled(a, width), scaled(b, width), kernel_size=3) for a, b in pairwise(level)))
        for level in _LEVELS
    ]
    for level in decoder[:3]:
        level.append(nn.Dropout(0.5))
    classifier = nn.Conv2d(scaled(64, width), num_classes, kernel_size=1)
    return EncoderDecoder(encoder, decoder, classifier, after_pool=[*vgg.deep_dropout()[:-1], middle])


class DeconvNormRelu(nn.Sequential):
    """Deconvolution of stride 1 with bias, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int) -> None:
        """Build the unit; it keeps height and width. `kernel_size` is odd."""
        super().__init__(
            NormalisedDeconv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )
