"""FCN-8s on VGG16, as the paper compares it: with learnt and with fixed upsampling.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 1411.4038, Sec. 4, with the
changes of the SegNet paper's Sec. 4 (arXiv 1511.00561v3): batch normalisation after every convolution but the score
layers, dropout in deep layers. That paper does not say which FCN it means; its Table 6 has 539 MB, and an FCN with fc6
and fc7 of 4096 channels is 537 MB. Left open, and decided here: fc6 pads its own input by 3, where FCN's release pads
the image by 100; all three deconvolutions are learnt; dropout follows pool3, pool4 and pool5, and fc6 and fc7.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from pipeline.core.models import vgg
from pipeline.core.models.parts import ConvNormRelu, LearntUpsampling, check_input, crop, initialise, scaled
from pipeline.core.pooling import pool

_STRIDES = (2, 2, 8)  # of the upsampling to pool4's size, to pool3's, and to the image's


def fcn(num_classes: int, width: float) -> nn.Module:
    """Return the FCN with learnt deconvolutions, initialised as bilinear interpolation."""
    return FCN(num_classes, width, [LearntUpsampling(num_classes, stride, 2 * stride) for stride in _STRIDES])


def fcn_fixed(num_classes: int, width: float) -> nn.Module:
    """Return the FCN with fixed bilinear interpolation."""
    return FCN(num_classes, width, [nn.Upsample(scale_factor=stride, mode="bilinear") for stride in _STRIDES])


class FCN(nn.Module):
    """VGG16 with its fully connected layers as convolutions; the scores of pool3, pool4 and fc7 are summed."""

    def __init__(self, num_classes: int, width: float, upsampling: Sequence[nn.Module]) -> None:
        """Build the network.

        Args:
            num_classes: C, the channels of the logits.
            width: Factor on every channel count but C.
            upsampling: Three modules, by 2, 2 and 8: for fc7's scores, the sum with pool4's, and the sum with pool3's.
        """
        super().__init__()
        pool3, pool4, pool5, full = (scaled(channels, width) for channels in (256, 512, 512, 4096))
        self.encoder = nn.ModuleList(vgg.encoder(width))
        self.after_pool = nn.ModuleList(vgg.deep_dropout())
        self.fully_connected = nn.Sequential(
            ConvNormRelu(pool5, full, kernel_size=7),
            nn.Dropout(0.5),
            ConvNormRelu(full, full, kernel_size=1),
            nn.Dropout(0.5),
        )
        self.scores = nn.ModuleList(
            nn.Conv2d(channels, num_classes, kernel_size=1) for channels in (full, pool4, pool3)
        )
        self.upsampling = nn.ModuleList(upsampling)
        initialise(self)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255, float, H and W >= 32.

        In training, fc6's batch normalisation needs more than one value per channel: two images, or a side of more than
        32 pixels.

        Raises:
            ValueError: the input is not (N, 3, H, W) with H and W >= 32.
        """
        check_input(x_N3HW)
        x, pooled = x_N3HW, []
        for level, after_pool in zip(self.encoder, self.after_pool, strict=True):
            x = after_pool(pool(level(x))[0])
            pooled.append(x)
        *_, pool3, pool4, pool5 = pooled
        x = self.scores[0](self.fully_connected(pool5))
        x = crop(self.upsampling[0](x), pool4.shape[2:]) + self.scores[1](pool4)
        x = crop(self.upsampling[1](x), pool3.shape[2:]) + self.scores[2](pool3)
        return crop(self.upsampling[2](x), x_N3HW.shape[2:])
