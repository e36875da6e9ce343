"""Random transforms of image-mask pairs, batched on their device; each pair has its own random numbers."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the transforms."""

    flip: float
    """Probability of a left-right flip, [0, 1]."""
    zoom: tuple[float, float]
    """Range of the random scale, log-uniform: above 1 a part of the pair is enlarged to full size, below 1 the pair is
    shrunk and surrounded by void."""
    colour_jitter: float
    """Largest relative change of brightness, contrast and saturation, [0, 1]."""


# The columns of a pair's random numbers, uniform in [0, 1).
_FLIP, _ZOOM, _TOP, _LEFT, _BRIGHTNESS, _CONTRAST, _SATURATION = range(7)


def draw(seed: int, positions: list[int]) -> Tensor:
    """Return the random numbers for the pairs at `positions` of the training order, (N, 7) float32 in [0, 1).

    They depend only on seed and position, so a pair is transformed identically whichever worker processes it.
    """
    # numpy's generator, since torch's uses only 32 bits of a seed on a CPU.
    rows = [np.random.default_rng([seed, position]).random(7, dtype=np.float32) for position in positions]
    return torch.from_numpy(np.stack(rows))


def augment(
    images_N3HW: Tensor, masks_NHW: Tensor, random_N7: Tensor, settings: Augmentation, *, void: int
) -> tuple[Tensor, Tensor]:
    """Return the transformed pairs.

    Args:
        images_N3HW: (N, 3, H, W) floating point, 0..255.
        masks_NHW: (N, H, W) int64.
        random_N7: (N, 7) from `draw`, of the dtype and on the device of the images.
        settings: strengths of the transforms.
        void: the mask value of unlabelled pixels; beyond the pair's edges the mask becomes void and the image black.

    Returns:
        Images and masks of the same shapes and dtypes; images are interpolated bilinearly, masks by nearest neighbour.
    """
    if settings.colour_jitter:
        images_N3HW = _jitter(images_N3HW, random_N7, settings.colour_jitter)
    if not settings.flip and settings.zoom == (1, 1):
        return images_N3HW, masks_NHW
    grid_NHW2 = _sampling_grid(images_N3HW, random_N7, settings)
    images = F.grid_sample(images_N3HW, grid_NHW2, mode="bilinear", padding_mode="zeros", align_corners=False)
    # Shifted by one to distinguish grid_sample's zero padding from class 0.
    shifted_N1HW = (masks_NHW[:, None] + 1).to(images_N3HW.dtype)
    masks = F.grid_sample(shifted_N1HW, grid_NHW2, mode="nearest", padding_mode="zeros", align_corners=False)
    masks_out = masks[:, 0].to(masks_NHW.dtype) - 1
    return images, masks_out.masked_fill_(masks_out < 0, void)


def shrink(images_N3HW: Tensor, masks_NHW: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the pairs shrunk to `size`, (height, width), as the tile stage shrinks images and masks.

    Args:
        images_N3HW: (N, 3, H, W) floating point; shrunk bilinearly with antialiasing, as if between both sizes there
            were no frequency that the smaller one cannot hold.
        masks_NHW: (N, H, W) int64; an output pixel has the value of the pixel in which its centre lies, and of the
            lower right one where it lies between pixels.
        size: at most (H, W).

    Returns:
        Images (N, 3, *size) and masks (N, *size) of the same dtypes.
    """
    images = F.interpolate(images_N3HW, size=size, mode="bilinear", antialias=True)
    rows, columns = (
        (2 * torch.arange(new, device=masks_NHW.device) + 1) * old // (2 * new)
        for new, old in zip(size, masks_NHW.shape[1:], strict=True)
    )
    return images, masks_NHW[:, rows[:, None], columns]


def _sampling_grid(images_N3HW: Tensor, random_N7: Tensor, settings: Augmentation) -> Tensor:
    """Return the location that each output pixel is sampled from, (N, H, W, 2) in [-1, 1]."""
    low, high = settings.zoom
    zoom_N = low * (high / low) ** random_N7[:, _ZOOM]
    flip_N = 1 - 2 * (random_N7[:, _FLIP] < settings.flip).to(zoom_N.dtype)
    # At zoom z the output shows 1/z of the pair's side; its centre may move by the remainder in either direction.
    room_N = (1 - 1 / zoom_N).abs()
    theta_N23 = torch.zeros(len(zoom_N), 2, 3, dtype=zoom_N.dtype, device=zoom_N.device)
    theta_N23[:, 0, 0] = flip_N / zoom_N
    theta_N23[:, 1, 1] = 1 / zoom_N
    theta_N23[:, 0, 2] = (2 * random_N7[:, _LEFT] - 1) * room_N
    theta_N23[:, 1, 2] = (2 * random_N7[:, _TOP] - 1) * room_N
    return F.affine_grid(theta_N23, list(images_N3HW.shape), align_corners=False)


def _jitter(images_N3HW: Tensor, random_N7: Tensor, amount: float) -> Tensor:
    """Change brightness, then contrast around the image's mean, then saturation around each pixel's grey."""
    factors = 1 + amount * (2 * random_N7 - 1)
    images = images_N3HW * factors[:, _BRIGHTNESS, None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * factors[:, _CONTRAST, None, None, None]
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * factors[:, _SATURATION, None, None, None]
    return images.clamp_(0, 255)
