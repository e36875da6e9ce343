"""Training losses, as sums: N workers reduce sums of losses and of weights, then divide.

A loss takes the weight of each pixel and returns its weighted and its unweighted sum. The divisors of both, the sum of
the weights and the number of labelled pixels, depend on the target alone, and so are known before the network has
computed anything.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
_HARD = 0.7  # the probability below which a pixel is hard, as in OCNet's and mmsegmentation's recipes for Cityscapes


def pixel_weights(target_NHW: Tensor, weight_C: Tensor) -> Tensor:
    """Return the weight of each pixel in the loss, (N, H, W) of the dtype of `weight_C`: that of its class; 0 for void.

    Args:
        target_NHW: (N, H, W) int64; 0..C-1, or C for void.
        weight_C: (C,), floating point, the weight of each class.

    Example:
        >>> from torch import tensor
        >>> pixel_weights(tensor([[[0, 1, 2]]]), tensor([0.5, 3.0])).tolist()
        [[[0.5, 3.0, 0.0]]]
    """
    return F.pad(weight_C, (0, 1)).take(target_NHW)


def cross_entropy(
    logits_NCHW: Tensor, target_NHW: Tensor, weight_NHW: Tensor, *, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the weighted and the unweighted cross entropy of all labelled pixels, each summed.

    sum over labelled pixels i of -w_i * log softmax(z_i)[t_i], and the same with w_i = 1, where z_i are the logits and
    t_i the class of pixel i (arXiv 1511.00561, Sec. 4.1: cross entropy with class balancing). The loss of a step is the
    first divided by the sum of w_i, both summed over all workers; the Caffe release divides by the number of labelled
    pixels instead, which scales the loss, and so the learning rate, by the mean weight of a labelled pixel (0.51 for
    CamVid's published weights).

    Args:
        logits_NCHW: (N, C, H, W), floating point.
        target_NHW: (N, H, W) int64; 0..C-1, or C for void, which adds nothing to either sum.
        weight_NHW: (N, H, W), floating point, from `pixel_weights`; the loss is computed in its dtype.
        smoothing: the share of a pixel's target that is spread over all C classes evenly, in [0, 1): log softmax(z)[t]
            becomes (1 - smoothing) log softmax(z)[t] + smoothing / C * sum over c of log softmax(z)[c] (Szegedy et al.,
            1512.00567, Sec. 7). A pixel's weight remains that of its class t.

    Returns:
        Two scalars, of which the second has no gradient. Both are zero if every pixel is void.
    """
    return _summed(_cross_entropies(logits_NCHW, target_NHW, weight_NHW, smoothing), weight_NHW)


def focal(logits_NCHW: Tensor, target_NHW: Tensor, weight_NHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the focal loss of all labelled pixels, weighted and unweighted, each summed.

    sum over labelled pixels i of -w_i * (1 - p_i)^2 log p_i, where p_i is the probability of the pixel's class (Lin et
    al., 1708.02002, Eq. 4, with their gamma of 2): pixels that are certain count for little. Arguments and results are
    those of `cross_entropy`.
    """
    loss_NHW = _cross_entropies(logits_NCHW, target_NHW, weight_NHW)
    return _summed((-loss_NHW).expm1() ** 2 * loss_NHW, weight_NHW)  # -expm1(-x) is 1 - p


def hard_pixels(logits_NCHW: Tensor, target_NHW: Tensor, weight_NHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of those labelled pixels whose class has a probability below 0.7, each kind summed.

    Online hard example mining (Shrivastava et al., 1604.03540) by a threshold: which pixels count depends on nothing
    but the pixel itself. Keeping the hardest so many of a batch, as is done too, would make a pixel's loss depend on
    which others a worker has. The loss of a step is divided as that of `cross_entropy`, by the weights of all labelled
    pixels, so it and its gradient become smaller as more pixels are certain. Arguments and results are those of
    `cross_entropy`.
    """
    loss_NHW = _cross_entropies(logits_NCHW, target_NHW, weight_NHW)
    return _summed(loss_NHW * (loss_NHW.detach() > -math.log(_HARD)), weight_NHW)


def _cross_entropies(logits_NCHW: Tensor, target_NHW: Tensor, weight_NHW: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the cross entropy of each pixel, (N, H, W) of the dtype of the weights; 0 for void."""
    # In planes, as log-softmax wants them: in channels_last, it would copy its operands forward and backward.
    logits = logits_NCHW.to(weight_NHW.dtype, memory_format=torch.contiguous_format)
    void = logits.shape[1]
    return F.cross_entropy(logits, target_NHW, ignore_index=void, reduction="none", label_smoothing=smoothing)


def _summed(loss_NHW: Tensor, weight_NHW: Tensor) -> tuple[Tensor, Tensor]:
    # Summed separately, since CUDA's built-in reduction has no deterministic implementation.
    return (loss_NHW * weight_NHW).sum(), loss_NHW.detach().sum()


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "hard_pixels": hard_pixels,
}


def pixel_loss(name: str, smoothing: float) -> Loss:
    """Return the loss of LOSSES with that name; `smoothing`, in [0, 1), is 0 for all but cross_entropy."""
    return partial(cross_entropy, smoothing=smoothing) if smoothing else LOSSES[name]
