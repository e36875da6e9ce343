"""U-Net as published, but padded.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 1505.04597, Fig. 1:
no batch normalisation; dropout "at the end of the contracting path", in the release after its last two levels; ReLU
after the up-convolutions too, as in the release. Convolutions pad by 1, where U-Net's own shrink the image and crop the
contracting path's features; pooling rounds odd sizes up, and the upsampled features then lose a row or column.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.core.models.parts import check_input, crop, initialise, scaled
from pipeline.core.pooling import pool

_CHANNELS = (64, 128, 256, 512, 1024)  # of each level, from the image inwards


class UNet(nn.Module):
    """Five contracting levels and four expanding ones, which also see the features of their contracting partners."""

    def __init__(self, num_classes: int, width: float) -> None:
        """Build the network.

        Args:
            num_classes: C, the channels of the logits.
            width: Factor on every channel count but C.
        """
        super().__init__()
        channels = [scaled(count, width) for count in _CHANNELS]
        encoder = [_two_convolutions(a, b) for a, b in pairwise([3, *channels])]
        for level in encoder[-2:]:
            level.append(nn.Dropout(0.5))
        outwards = list(pairwise(reversed(channels)))
        self.encoder = nn.ModuleList(encoder)
        self.upsampling = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(a, b, 2, stride=2), nn.ReLU(inplace=True)) for a, b in outwards
        )
        self.decoder = nn.ModuleList(_two_convolutions(2 * b, b) for _, b in outwards)
        self.classifier = nn.Conv2d(channels[0], num_classes, kernel_size=1)
        initialise(self)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255, float, H and W >= 32.

        Raises:
            ValueError: the input is not (N, 3, H, W) with H and W >= 32.
        """
        check_input(x_N3HW)
        x, skipped = x_N3HW / 255, []  # without batch normalisation, nothing else bounds the range of the features
        for level in self.encoder[:-1]:
            x = level(x)
            skipped.append(x)
            x, _ = pool(x)
        x = self.encoder[-1](x)
        for upsample, level in zip(self.upsampling, self.decoder, strict=True):
            features = skipped.pop()
            x = level(torch.cat([features, crop(upsample(x), features.shape[2:])], dim=1))
        logits: Tensor = self.classifier(x)
        return logits


def _two_convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
    )
