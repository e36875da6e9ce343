"""Batch normalisation folded into the convolution before it: the same outputs with less to compute."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(model: nn.Module) -> nn.Module:
    """Return a copy of a network for inference: no batch normalisation after a convolution or deconvolution.

    In evaluation mode, normalisation is a factor and a shift for each channel, which the convolution's weight and bias
    can hold. The outputs are those of the network in evaluation mode, but for float32 rounding: within 1e-4. Dropout
    stays, and can still be sampled.

    Args:
        model: A network of MODELS, whose convolutions and their normalisation follow each other in an `nn.Sequential`;
            float32. It is left as it is.

    Returns:
        The network in evaluation mode, of the same dtype, device and memory layout.
    """
    folded = copy.deepcopy(model).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
    return folded


def _fold_sequence(sequence: nn.Sequential) -> None:
    for i in reversed(range(len(sequence) - 1)):
        conv, norm = sequence[i], sequence[i + 1]
        if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
            dtype, is_transposed = conv.weight.dtype, isinstance(conv, nn.ConvTranspose2d)
            # float64: what float32 rounds here, every layer behind it would carry on.
            sequence[i] = fuse_conv_bn_eval(conv.double(), norm.double(), transpose=is_transposed).to(dtype)
            del sequence[i + 1]
