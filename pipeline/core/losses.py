"""Training losses. Each returns a sum and the sum of its weights: N workers reduce both, then divide once."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def cross_entropy(logits_NCHW: Tensor, target_NHW: Tensor, weight_C: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted cross entropy of all labelled pixels, summed, and the sum of their weights.

    sum over labelled pixels i of -w[t_i] * log softmax(z_i)[t_i], and sum over i of w[t_i], where z_i are the logits
    and t_i the class of pixel i (arXiv 1511.00561, Sec. 4.1: cross entropy with class balancing). The loss of a step
    is the first divided by the second, both summed over all workers; the Caffe release divides by the number of
    labelled pixels instead, which scales the loss, and so the learning rate, by the mean weight of a labelled pixel
    (0.51 for CamVid's published weights).

    Args:
        logits_NCHW: (N, C, H, W), floating point.
        target_NHW: (N, H, W) int64; 0..C-1, or C for void, which adds nothing to either sum.
        weight_C: (C,), floating point, the weight of each class; the loss is computed in its dtype.

    Returns:
        Two scalars. Both are zero if every pixel is void.
    """
    classes = logits_NCHW.shape[1]
    logits = logits_NCHW.to(weight_C.dtype)
    # Summed separately, since CUDA's built-in reduction has no deterministic implementation.
    loss_sum = F.cross_entropy(logits, target_NHW, weight_C, ignore_index=classes, reduction="none").sum()
    pixels_C = target_NHW.flatten().bincount(minlength=classes)[:classes]
    return loss_sum, (pixels_C * weight_C).sum()


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
}
