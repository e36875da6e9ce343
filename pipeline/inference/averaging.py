"""A prediction as the mean over several views of the same image."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def averaged(predict: Callable[[Tensor], Tensor], x_N3hw: Tensor, *, flip: bool, scales: Sequence[float]) -> Tensor:
    """Return probabilities (N, C, h, w), averaged over scales, and at each with the mirrored images' if told.

    Images and probabilities are resized bilinearly, with antialiasing where they are shrunk, so that the probabilities
    of a pixel still add up to 1.

    Args:
        predict: from images (N, 3, H, W) of any size to probabilities (N, C, H, W), float32.
        x_N3hw: the images, floating point.
        flip: whether to average with the mirrored images.
        scales: factors on height and width, at least one.
    """
    means = []
    for scale in scales:
        size = max(1, round(x_N3hw.shape[2] * scale)), max(1, round(x_N3hw.shape[3] * scale))
        x = _resized(x_N3hw, size)
        p = (predict(x) + predict(x.flip(3)).flip(3)) / 2 if flip else predict(x)
        means.append(_resized(p, (x_N3hw.shape[2], x_N3hw.shape[3])))
    return means[0] if len(means) == 1 else torch.stack(means).mean(dim=0)


def _resized(x_NChw: Tensor, size: tuple[int, int]) -> Tensor:
    if x_NChw.shape[2:] == size:
        return x_NChw
    return F.interpolate(x_NChw, size=size, mode="bilinear", antialias=True)
