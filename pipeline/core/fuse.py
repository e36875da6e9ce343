"""Folding batch normalisation into the preceding convolution: the same outputs with less computation."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(model: nn.Module) -> nn.Module:
    """Return a copy of a network for inference, without batch normalisation after convolutions and deconvolutions.

    In evaluation mode, normalisation is a scale and a shift per channel, which the convolution's weight and bias can
    absorb. The outputs equal those of the network in evaluation mode up to float32 rounding: within 1e-4. Dropout is
    kept, and can still be sampled.

    Args:
        model: A network of MODELS, float32, in which each convolution and its normalisation follow each other in an
            `nn.Sequential`. It is not modified.

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
            # In float64: rounding errors made here would propagate through all later layers.
            sequence[i] = fuse_conv_bn_eval(conv.double(), norm.double(), transpose=is_transposed).to(dtype)
            del sequence[i + 1]
