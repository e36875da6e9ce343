"""SegNet: VGG16's 13 convolutions as encoder, a mirrored decoder, and pooling indices between them.

Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation", arXiv 1511.00561v3, Sec. 3; layer by layer as in the release's Models/segnet_train.prototxt.
"""

from itertools import pairwise

from torch import Tensor, nn

from pipeline.core.models.parts import ConvNormRelu, check_input, initialise, scaled
from pipeline.core.pooling import pool, unpool

# Output channels of the convolutions of each encoder level. The decoder mirrors them; a level's last convolution
# drops to the width of the next level (conv4_1_D: 256, conv3_1_D: 128, conv2_1_D: 64).
_LEVELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class SegNet(nn.Module):
    """26 convolutions 3x3; batch normalisation and ReLU after all but the classifier, in the decoder too."""

    def __init__(self, num_classes: int, width: float) -> None:
        """Build the network.

        Args:
            num_classes: C, the channels of the logits; 11 and width 1 give the release's 29,449,355 parameters.
            width: factor on every channel count.
        """
        super().__init__()
        levels = [[scaled(channels, width) for channels in level] for level in _LEVELS]
        self.encoder = nn.ModuleList()
        channels = 3
        for level in levels:
            self.encoder.append(_chain([channels, *level]))
            channels = level[-1]
        self.decoder = nn.ModuleList()
        for level, shallower in zip(levels[:0:-1], levels[-2::-1], strict=True):
            self.decoder.append(_chain([*reversed(level), shallower[-1]]))
        self.decoder.append(_chain(levels[0]))
        self.classifier = nn.Conv2d(levels[0][0], num_classes, kernel_size=3, padding=1)
        initialise(self)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255, float, H and W >= 32.

        Raises:
            ValueError: not such images.
        """
        check_input(x_N3HW)
        x, memory = x_N3HW, []
        for level in self.encoder:
            x = level(x)
            size = (x.shape[2], x.shape[3])
            x, codes = pool(x)
            memory.append((codes, size))
        for level in self.decoder:
            codes, size = memory.pop()
            x = level(unpool(x, codes, size))
        logits: Tensor = self.classifier(x)
        return logits


def _chain(channels: list[int]) -> nn.Sequential:
    """Return units that go through the listed channel counts."""
    return nn.Sequential(*(ConvNormRelu(a, b) for a, b in pairwise(channels)))
