"""Random transforms of image-mask pairs, batched on their device; each pair has its own random numbers."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.core.camera import add_noise, blur


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the transforms; those that are not named are off."""

    flip: float
    """Probability of a left-right flip, [0, 1]."""
    zoom: tuple[float, float]
    """Range of the random scale, log-uniform: above 1 a part of the pair is enlarged to full size, below 1 the pair is
    shrunk and surrounded by what `border` says."""
    colour_jitter: float
    """Largest relative change of brightness, contrast and saturation, [0, 1]."""
    crop: tuple[int, int] | None = None
    """Height and width of the part of a pair that is returned, at most the pair's; None: all of it."""
    border: Literal["void", "mirror"] = "void"
    """What lies beyond the pair's edges: black and void, or the pair's mirror image."""
    vertical_flip: float = 0.0
    """Probability of a flip upside down, [0, 1]."""
    turns: bool = False
    """Whether pairs are turned by 0, 90, 180 or 270 degrees, each as often; what is returned must be square."""
    rotation: float = 0.0
    """Largest angle of rotation in either direction, degrees."""
    aspect: float = 1.0
    """Largest ratio by which width is stretched against height or the reverse, log-uniform, at least 1."""
    gamma: float = 1.0
    """Largest exponent of the values in [0, 1], log-uniform from its inverse, at least 1."""
    hue: float = 0.0
    """Largest angle by which colours are turned around grey in either direction, degrees."""
    blur: float = 0.0
    """Largest standard deviation of the Gaussian by which what is returned is blurred, uniform from 0, pixels."""
    noise: float = 0.0
    """Largest standard deviation of the normal noise that is added to what is returned, uniform from 0, 0..255."""


# The columns of a pair's random numbers, uniform in [0, 1). New ones come last: those before stay what they were.
_FLIP, _ZOOM, _TOP, _LEFT, _BRIGHTNESS, _CONTRAST, _SATURATION = range(7)
_VERTICAL_FLIP, _TURN, _ROTATION, _ASPECT, _GAMMA, _HUE = range(7, 13)
_BLUR, _NOISE, _NOISE_KEY = range(13, 16)
DROPOUT_KEY = 16
NUM_DRAWS = 17


def draw(seed: int, positions: list[int]) -> Tensor:
    """Return the random numbers for the pairs at `positions` of the training order, (N, D) float32 in [0, 1).

    D is NUM_DRAWS. They depend only on seed and position, so a pair is transformed identically whichever worker
    processes it.
    """
    # numpy's generator, since torch's uses only 32 bits of a seed on a CPU.
    rows = [np.random.default_rng([seed, position]).random(NUM_DRAWS, dtype=np.float32) for position in positions]
    return torch.from_numpy(np.stack(rows))


def augment(
    images_N3HW: Tensor, masks_NHW: Tensor, random_ND: Tensor, settings: Augmentation, *, void: int
) -> tuple[Tensor, Tensor]:
    """Return the transformed pairs.

    Args:
        images_N3HW: (N, 3, H, W) floating point, 0..255.
        masks_NHW: (N, H, W) int64.
        random_ND: (N, D) from `draw`, of the dtype and on the device of the images.
        settings: strengths of the transforms.
        void: the mask value of unlabelled pixels.

    Returns:
        Images and masks of the same dtypes, of the shapes of `crop` or the same shapes; images are interpolated
        bilinearly, masks by nearest neighbour.
    """
    images_N3HW = _recolour(images_N3HW, random_ND, settings)
    if _moves(settings):
        images_N3HW, masks_NHW = _move(images_N3HW, masks_NHW, random_ND, settings, void)
    if settings.blur:
        images_N3HW = blur(images_N3HW, settings.blur * random_ND[:, _BLUR], settings.blur)
    if settings.noise:
        images_N3HW = add_noise(images_N3HW, settings.noise * random_ND[:, _NOISE], random_ND[:, _NOISE_KEY])
    return images_N3HW, masks_NHW


def _move(
    images_N3HW: Tensor, masks_NHW: Tensor, random_ND: Tensor, settings: Augmentation, void: int
) -> tuple[Tensor, Tensor]:
    grid_NHW2 = _sampling_grid(images_N3HW, random_ND, settings)
    padding = "reflection" if settings.border == "mirror" else "zeros"
    images = F.grid_sample(images_N3HW, grid_NHW2, mode="bilinear", padding_mode=padding, align_corners=False)
    # Shifted by one to distinguish grid_sample's zero padding from class 0.
    shifted_N1HW = (masks_NHW[:, None] + 1).to(images_N3HW.dtype)
    masks = F.grid_sample(shifted_N1HW, grid_NHW2, mode="nearest", padding_mode=padding, align_corners=False)
    masks_out = masks[:, 0].to(masks_NHW.dtype) - 1
    return images, masks_out.masked_fill_(masks_out < 0, void)


def shrink(images_N3HW: Tensor, masks_NHW: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the pairs shrunk to `size`, (height, width), as the tile stage shrinks images and masks.

    Args:
        images_N3HW: (N, 3, H, W) floating point; shrunk bilinearly with antialiasing.
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


def _moves(settings: Augmentation) -> bool:
    """Return whether any pixel of a pair may come to lie elsewhere."""
    is_scaled = settings.zoom != (1, 1) or settings.aspect != 1 or settings.crop is not None
    return bool(is_scaled or settings.flip or settings.vertical_flip or settings.turns or settings.rotation)


def _sampling_grid(images_N3HW: Tensor, random_ND: Tensor, settings: Augmentation) -> Tensor:
    """Return the location that each output pixel is sampled from, (N, h, w, 2) in [-1, 1]."""
    count, channels, height, width = images_N3HW.shape
    new_height, new_width = settings.crop or (height, width)
    low, high = settings.zoom
    zoom_N = low * (high / low) ** random_ND[:, _ZOOM]
    stretch_N = settings.aspect ** (random_ND[:, _ASPECT] - 0.5)  # the root of the ratio, of either side
    zoom_x_N, zoom_y_N = zoom_N * stretch_N, zoom_N / stretch_N
    flip_x_N = 1 - 2 * (random_ND[:, _FLIP] < settings.flip).to(zoom_N.dtype)
    flip_y_N = 1 - 2 * (random_ND[:, _VERTICAL_FLIP] < settings.vertical_flip).to(zoom_N.dtype)
    cos_N, sin_N = _angle(random_ND, settings)
    # At zoom z, an output as large as the pair shows 1/z of its side; the centre may move by the remainder in either
    # direction.
    room_x_N = (1 - new_width / width / zoom_x_N).abs()
    room_y_N = (1 - new_height / height / zoom_y_N).abs()
    theta_N23 = torch.zeros(count, 2, 3, dtype=zoom_N.dtype, device=zoom_N.device)
    theta_N23[:, 0, 0] = flip_x_N * cos_N * (new_width / width) / zoom_x_N
    theta_N23[:, 0, 1] = flip_x_N * -sin_N * (new_height / width) / zoom_x_N
    theta_N23[:, 1, 0] = flip_y_N * sin_N * (new_width / height) / zoom_y_N
    theta_N23[:, 1, 1] = flip_y_N * cos_N * (new_height / height) / zoom_y_N
    theta_N23[:, 0, 2] = (2 * random_ND[:, _LEFT] - 1) * room_x_N
    theta_N23[:, 1, 2] = (2 * random_ND[:, _TOP] - 1) * room_y_N
    if settings.zoom == (1, 1) and settings.aspect == 1:  # pixels of a crop need not lie between those of its pair
        theta_N23[:, 0, 2] = _between(theta_N23[:, 0, 2], width, new_width)
        theta_N23[:, 1, 2] = _between(theta_N23[:, 1, 2], height, new_height)
    return F.affine_grid(theta_N23, [count, channels, new_height, new_width], align_corners=False)


def _angle(random_ND: Tensor, settings: Augmentation) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the angle by which each pair is turned, (N,) each."""
    angle_N = math.radians(settings.rotation) * (2 * random_ND[:, _ROTATION] - 1)
    cos_N, sin_N = angle_N.cos(), angle_N.sin()
    if settings.turns:
        quarters_N = (4 * random_ND[:, _TURN]).floor()
        # Exact, unlike the cosine of pi / 2: 1, 0, -1, 0 and 0, 1, 0, -1.
        turn_cos_N = (quarters_N == 0).to(cos_N.dtype) - (quarters_N == 2).to(cos_N.dtype)
        turn_sin_N = (quarters_N == 1).to(cos_N.dtype) - (quarters_N == 3).to(cos_N.dtype)
        cos_N, sin_N = cos_N * turn_cos_N - sin_N * turn_sin_N, sin_N * turn_cos_N + cos_N * turn_sin_N
    return cos_N, sin_N


def _between(shift_N: Tensor, old: int, new: int) -> Tensor:
    """Return shifts of a window's centre, in half sides, by which its `new` pixels coincide with some of `old` ones."""
    first_N = ((shift_N * old + old - new) / 2).round()
    return (2 * first_N + new - old) / old


def _recolour(images_N3HW: Tensor, random_ND: Tensor, settings: Augmentation) -> Tensor:
    if settings.colour_jitter:
        images_N3HW = _jitter(images_N3HW, random_ND, settings.colour_jitter)
    if settings.gamma != 1:
        exponent_N = settings.gamma ** (2 * random_ND[:, _GAMMA] - 1)
        images_N3HW = 255 * (images_N3HW / 255) ** exponent_N[:, None, None, None]
    if settings.hue:
        images_N3HW = _turn_hue(images_N3HW, math.radians(settings.hue) * (2 * random_ND[:, _HUE] - 1))
    return images_N3HW


def _jitter(images_N3HW: Tensor, random_ND: Tensor, amount: float) -> Tensor:
    """Change brightness, then contrast around the image's mean, then saturation around each pixel's grey."""
    factors = 1 + amount * (2 * random_ND - 1)
    images = images_N3HW * factors[:, _BRIGHTNESS, None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * factors[:, _CONTRAST, None, None, None]
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * factors[:, _SATURATION, None, None, None]
    return images.clamp_(0, 255)


def _turn_hue(images_N3HW: Tensor, angle_N: Tensor) -> Tensor:
    """Turn colours by an angle, in radians, around the axis of greys: at 120 degrees red becomes green."""
    cos_N1, sin_N1 = angle_N.cos()[:, None], angle_N.sin()[:, None]
    third, root = (1 - cos_N1) / 3, sin_N1 / math.sqrt(3)
    # Rodrigues' rotation around (1, 1, 1) / sqrt(3): a circulant matrix, with these three values in each row.
    same, before, after = cos_N1 + third, third + root, third - root
    rows = [torch.cat(row, dim=1) for row in ((same, after, before), (before, same, after), (after, before, same))]
    turned = torch.einsum("nij,njhw->nihw", torch.stack(rows, dim=1), images_N3HW)
    return turned.clamp(0, 255)
