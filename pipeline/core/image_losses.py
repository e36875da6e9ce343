"""Losses of whole images that are no sums over pixels: surrogates of a class's intersection over union, or Dice.

Each is computed for every image by itself and summed over images; a step's loss divides by the number of images with
a labelled pixel, which the masks tell beforehand. So N workers train what one would. Over a whole batch, as they are
also used, they would depend on which images a worker has.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ImageLoss = Callable[[Tensor, Tensor], Tensor]


def num_images(target_NHW: Tensor, void: int) -> Tensor:
    """Return the number of images with a labelled pixel, a scalar int64; the divisor of a loss of images."""
    return (target_NHW != void).flatten(1).any(dim=1).sum()


def lovasz_softmax(logits_NCHW: Tensor, target_NHW: Tensor) -> Tensor:
    """Return the Lovasz-softmax loss of each image, summed over images (Berman et al., 1705.08790, Eq. 9 and 11).

    For a class c, m_i is 1 - p_i(c) where pixel i is of class c, and p_i(c) elsewhere. With pixels sorted by m, largest
    first, the loss of c is the sum over i of m_i * (J_i - J_{i-1}), where J_i = i' / u is the Jaccard loss if exactly
    the first i pixels were wrong: i' is i, and u the pixels of class c together with the first i. It is averaged over
    the classes that the image shows. Void pixels are left out.

    Args:
        logits_NCHW: (N, C, H, W), floating point.
        target_NHW: (N, H, W) int64; 0..C-1, or C for void.

    Returns:
        A scalar; an image of void only adds 0.
    """
    losses = []
    for probability_CP, shows_CP, is_labelled_P in _images(logits_NCHW, target_NHW):
        error_CP = torch.where(shows_CP, 1 - probability_CP, probability_CP).masked_fill(~is_labelled_P, 0)
        sorted_CP, order_CP = error_CP.sort(dim=1, descending=True)
        hit_CP = shows_CP.gather(1, order_CP)
        pixels_C1 = shows_CP.sum(dim=1, keepdim=True)
        intersection_CP = pixels_C1 - hit_CP.cumsum(dim=1)
        union_CP = pixels_C1 + (~hit_CP).cumsum(dim=1)
        jaccard_CP = 1 - intersection_CP / union_CP.to(error_CP.dtype)
        slope_CP = jaccard_CP.diff(dim=1, prepend=torch.zeros_like(jaccard_CP[:, :1]))
        losses.append(_mean_of_shown((sorted_CP * slope_CP).sum(dim=1), shows_CP))
    return torch.stack(losses).sum()


def dice(logits_NCHW: Tensor, target_NHW: Tensor) -> Tensor:
    """Return the soft Dice loss of each image, summed over images (Sudre et al., 1707.03237, Sec. 2, DL without eps).

    1 - 2 * sum of p_i / (sum of p_j + n), for a class c with n pixels: i are those, j all labelled pixels, and p their
    probabilities of c. It is averaged over the classes that the image shows. Arguments and result are those of
    `lovasz_softmax`.
    """
    losses = []
    for probability_CP, shows_CP, is_labelled_P in _images(logits_NCHW, target_NHW):
        predicted_C = (probability_CP * is_labelled_P).sum(dim=1)
        both_C = (probability_CP * shows_CP).sum(dim=1)
        # In an image of void only, both sums are 0.
        loss_C = 1 - 2 * both_C / (predicted_C + shows_CP.sum(dim=1)).clamp(min=1e-12)
        losses.append(_mean_of_shown(loss_C, shows_CP))
    return torch.stack(losses).sum()


IMAGE_LOSSES: dict[str, ImageLoss] = {
    "lovasz_softmax": lovasz_softmax,
    "dice": dice,
}


def _images(logits_NCHW: Tensor, target_NHW: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return for each image the probabilities (C, P), where it shows each class (C, P), and what is labelled (P,)."""
    classes = torch.arange(logits_NCHW.shape[1], device=target_NHW.device)[:, None]
    pairs = zip(logits_NCHW.softmax(dim=1).flatten(2), target_NHW.flatten(1), strict=True)
    return [(probability_CP, target_P == classes, target_P < len(classes)) for probability_CP, target_P in pairs]


def _mean_of_shown(loss_C: Tensor, shows_CP: Tensor) -> Tensor:
    is_shown_C = shows_CP.any(dim=1)
    return loss_C.masked_fill(~is_shown_C, 0).sum() / is_shown_C.sum().clamp(min=1)
