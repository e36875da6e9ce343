"""Building blocks of the networks: convolution with normalisation, learnt upsampling, Caffe's initial weights."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def scaled(channels: int, width: float) -> int:
    """Return a channel count of the paper times `width`, at least 1."""
    return max(1, round(channels * width))


class NormalisedConv2d(nn.Conv2d):
    """A convolution that batch normalisation follows: its bias is kept, but constant, and left out in training.

    Normalisation subtracts the mean, and the bias with it: in training it has no effect on the output, and its gradient
    is 0. To add it, and to sum up that gradient, took a pass each over all values. In evaluation it counts, since the
    running mean may be that of outputs with a bias, as in a VGG16. It should be 0 where training starts; `load_vgg16`
    sees to that.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what `nn.Conv2d` takes."""
        super().__init__(*args, **kwargs)
        _keep_constant(self)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the convolution (N, C, H', W'), in training without the bias."""
        y: Tensor = self._conv_forward(x_NCHW, self.weight, None if self.training else self.bias)
        return y


class NormalisedDeconv2d(nn.ConvTranspose2d):
    """A deconvolution that batch normalisation follows; see `NormalisedConv2d`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what `nn.ConvTranspose2d` takes."""
        super().__init__(*args, **kwargs)
        _keep_constant(self)

    def forward(self, x_NCHW: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the deconvolution (N, C, H', W'), in training without the bias."""
        bias = None if self.training else self.bias
        options: dict[str, Any] = {
            name: getattr(self, name) for name in ("stride", "padding", "output_padding", "groups", "dilation")
        }
        return F.conv_transpose2d(x_NCHW, self.weight, bias, **options)


def _keep_constant(conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Take the bias out of training; optimizers, and workers that exchange gradients, leave it out then."""
    if conv.bias is not None:
        conv.bias.requires_grad_(False)


def check_trained(name: str, trained: Tensor, target: Tensor) -> None:
    """Raise ValueError unless a trained tensor can be `target`, of the same shape: finite numbers, no variance below 0.

    From others, training would have a loss that is not finite, and its learning rate would be blamed.
    """
    if not target.is_floating_point():
        return
    if not trained.is_floating_point():
        raise ValueError(
            f"{name}: expected floating point numbers, got {trained.dtype}; take weights before they are quantised"
        )
    if not trained.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity; take another epoch's weights")
    if name.endswith("running_var") and (trained < 0).any():
        raise ValueError(f"{name}: expected variances, got numbers below 0; take another file")


class ConvNormRelu(nn.Sequential):
    """Convolution with bias, batch normalisation, ReLU: the paper's unit."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int = 3, dilation: int = 1) -> None:
        """Build the unit; it keeps height and width. `kernel_size` is odd."""
        padding = dilation * (kernel_size // 2)
        super().__init__(
            NormalisedConv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class LocalResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation that also takes 16-bit floats, which it computes in float32.

    On CPUs, PyTorch's own has no bfloat16 (2.13), and 8 bits are few for its sum of squares up to 255^2.
    """

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the normalised values (N, C, H, W), in the input's dtype."""
        if x_NCHW.dtype not in {torch.bfloat16, torch.float16}:
            return super().forward(x_NCHW)
        return super().forward(x_NCHW.float()).to(x_NCHW.dtype)


class LearntUpsampling(nn.ConvTranspose2d):
    """Deconvolution initialised as bilinear interpolation of each channel by itself; it learns all channel pairs.

    The initial values are the bilinear kernel of the stride, centred in the kernel. Where `kernel_size` is twice the
    stride, as in FCN (Long et al., 1411.4038, Sec. 3.3), that is what Caffe's bilinear filler gives. In the SegNet
    paper's 8x8 kernel of stride 2, that filler would put the kernel of stride 4, whose outputs are four times as large
    as its inputs. It also fills all pairs of channels, so that all outputs are equal unless `group` separates them;
    FCN's release fills only a channel's own kernel, as here.
    """

    def __init__(self, channels: int, stride: int, kernel_size: int) -> None:
        """Build it; (N, channels, h, w) becomes (N, channels, stride * h, stride * w)."""
        padding = (kernel_size - stride) // 2
        super().__init__(channels, channels, kernel_size, stride=stride, padding=padding, bias=False)

    @torch.no_grad()
    def fill(self) -> None:
        """Set the initial values."""
        size, stride = self.kernel_size[0], self.stride[0]
        distances = (torch.arange(size) - (size - 1) / 2).abs()
        line = (1 - distances / stride).clamp(min=0)
        self.weight.zero_()
        self.weight.diagonal().copy_(torch.outer(line, line)[:, :, None])  # (size, size, channels)


def initialise(model: nn.Module) -> None:
    """Initialise all layers as in the Caffe release, with torch's default generator.

    Convolutions: N(0, sqrt(2 / fan_in)) (He et al., 1502.01852, Eq. 10; Caffe's msra filler), biases 0. A group
    counts only its own input channels; a deconvolution's fan_in is that of its transpose, as in Caffe. Batch
    normalisation: scale 1, shift 0.001 (Models/segnet_train.prototxt). Learnt upsampling: bilinear. A network of shapes
    alone, on the meta device, is left as it is: there, torch would import its compiler for a normal distribution.
    """
    if all(parameter.is_meta for parameter in model.parameters()):
        return
    for module in model.modules():
        if isinstance(module, LearntUpsampling):
            module.fill()
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            fan_in = math.prod(module.weight.shape[1:])
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.constant_(module.bias, 0.001)


def crop(x_NCHW: Tensor, size: Sequence[int]) -> Tensor:
    """Return the upper left (N, C, *size), such as 45 rows of the 46 that upsampling makes of their 23 pooled ones."""
    return x_NCHW[:, :, : size[0], : size[1]]


def check_input(x_N3HW: Tensor) -> None:
    """Raise ValueError unless the input is (N, 3, H, W) with H, W >= 32."""
    if x_N3HW.ndim != 4 or x_N3HW.shape[1] != 3 or min(x_N3HW.shape[2:]) < 32:
        raise ValueError(f"expected images (N, 3, H, W) with H, W >= 32, got {tuple(x_N3HW.shape)}; resize or pad them")
