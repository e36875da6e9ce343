"""What the networks are built from: convolution with batch normalisation, and Caffe's initial weights."""

import math

from torch import Tensor, nn


def scaled(channels: int, width: float) -> int:
    """Return a channel count of the paper times `width`, at least 1."""
    return max(1, round(channels * width))


class ConvNormRelu(nn.Sequential):
    """3x3 convolution with bias, batch normalisation, ReLU: the paper's unit of encoder and decoder."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build the unit; it keeps height and width."""
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def initialise(model: nn.Module) -> None:
    """Give all layers the initial values of the Caffe release, from torch's current generator.

    Convolutions: N(0, sqrt(2 / fan_in)) (He et al., 1502.01852, Eq. 10; Caffe's msra filler), biases 0. Batch
    normalisation: scale 1, shift 0.001 (Models/segnet_train.prototxt).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = math.prod(module.weight.shape[1:])
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.constant_(module.bias, 0.001)


def check_input(x_N3HW: Tensor) -> None:
    """Raise ValueError unless the input is (N, 3, H, W) with H, W >= 32."""
    if x_N3HW.ndim != 4 or x_N3HW.shape[1] != 3 or min(x_N3HW.shape[2:]) < 32:
        raise ValueError(f"expected images (N, 3, H, W) with H, W >= 32, got {tuple(x_N3HW.shape)}; resize or pad them")
