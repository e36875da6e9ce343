"""Training losses, as sums: N workers reduce sums of losses and of weights, then divide.

A loss takes the weight of each pixel and returns its weighted and its unweighted sum. The divisors of both, the sum of
the weights and the number of labelled pixels, depend on the target alone, and so are known before the network has
computed anything.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


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


def cross_entropy(logits_NCHW: Tensor, target_NHW: Tensor, weight_NHW: Tensor) -> tuple[Tensor, Tensor]:
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

    Returns:
        Two scalars, of which the second has no gradient. Both are zero if every pixel is void.
    """
    logits = logits_NCHW.to(weight_NHW.dtype)
    # Summed separately, since CUDA's built-in reduction has no deterministic implementation.
    loss_NHW = F.cross_entropy(logits, target_NHW, ignore_index=logits.shape[1], reduction="none")
    return (loss_NHW * weight_NHW).sum(), loss_NHW.detach().sum()


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
}
