"""SegNet: VGG16's 13 convolutions as encoder, a mirrored decoder, and pooling indices between them.

Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation", arXiv 1511.00561v3, Sec. 3; layer by layer as in the release's Models/segnet_train.prototxt.
"""

from torch import nn

from pipeline.core.models import vgg
from pipeline.core.models.encoder_decoder import EncoderDecoder
from pipeline.core.models.parts import scaled


def segnet(num_classes: int, width: float) -> EncoderDecoder:
    """Return SegNet: 26 3x3 convolutions, with batch normalisation and ReLU after all but the classifier.

    Args:
        num_classes: C, the channels of the logits; 11 and width 1 give the release's 29,449,355 parameters.
        width: Factor on every channel count.
    """
    return EncoderDecoder(vgg.encoder(width), decoder(width), classifier(num_classes, width))


def decoder(width: float) -> list[nn.Sequential]:
    """Return the five levels of the decoder, deepest first, without the classifier.

    They mirror the encoder's; a level's last convolution drops to the width of the next level (conv4_1_D: 256,
    conv3_1_D: 128, conv2_1_D: 64).
    """
    levels = [[scaled(channels, width) for channels in level] for level in vgg.LEVELS]
    mirrored = [
        vgg.chain([*reversed(level), shallower[-1]])
        for level, shallower in zip(levels[:0:-1], levels[-2::-1], strict=True)
    ]
    return [*mirrored, vgg.chain(levels[0])]


def classifier(num_classes: int, width: float) -> nn.Conv2d:
    """Return the last convolution, conv1_1_D: 3x3 with bias, and nothing after it."""
    return nn.Conv2d(scaled(64, width), num_classes, kernel_size=3, padding=1)
