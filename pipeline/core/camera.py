"""What a camera does to an image: blur and noise, of another strength for each image of a batch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.core import counter_random


def blur(images_NCHW: Tensor, sigma_N: Tensor, largest: float) -> Tensor:
    """Return the images convolved with a Gaussian each; beyond an edge, its pixels are repeated.

    Args:
        images_NCHW: (N, C, H, W) floating point.
        sigma_N: (N,) standard deviations, pixels, at least 0: an image with 0 stays as it is.
        largest: what none of them exceeds, above 0; the Gaussian ends at three times it.
    """
    count, channels, height, width = images_NCHW.shape
    radius = math.ceil(3 * largest)
    places_K = torch.arange(-radius, radius + 1, dtype=images_NCHW.dtype, device=images_NCHW.device)
    exponents_NK = -((places_K / sigma_N.clamp_min(1e-3)[:, None]) ** 2) / 2
    kernels = exponents_NK.softmax(dim=1).repeat_interleave(channels, dim=0)[:, None]  # (N * C, 1, K)
    images = images_NCHW.reshape(1, count * channels, height, width)
    images = F.conv2d(F.pad(images, (0, 0, radius, radius), "replicate"), kernels[..., None], groups=count * channels)
    images = F.conv2d(F.pad(images, (radius, radius, 0, 0), "replicate"), kernels[:, :, None], groups=count * channels)
    return images.reshape(count, channels, height, width)


def add_noise(images_NCHW: Tensor, sigma_N: Tensor, uniform_N: Tensor) -> Tensor:
    """Return the images with normal noise, independent in each value, cut to 0..255.

    The noise is computed from `uniform_N`, so that every device and number of workers adds the same.

    Args:
        images_NCHW: (N, C, H, W) floating point, 0..255.
        sigma_N: (N,) standard deviations, in the images' units.
        uniform_N: (N,) random numbers in [0, 1), which decide each image's noise.

    Source: Box and Muller, A Note on the Generation of Random Normal Deviates, 1958.
    """
    size = images_NCHW[0].numel()
    one_NM, other_NM = counter_random.pairs(counter_random.keys(uniform_N), (size + 1) // 2)
    dtype = images_NCHW.dtype if images_NCHW.dtype == torch.float64 else torch.float32
    one_NM = (one_NM + 1).to(dtype) / 2**counter_random.BITS  # above 0, for the logarithm
    angle_NM = other_NM.to(dtype) * (2 * math.pi / 2**counter_random.BITS)
    radius_NM = (-2 * one_NM.log()).sqrt_()
    normal = torch.cat([radius_NM * angle_NM.cos(), radius_NM * angle_NM.sin()], dim=1)[:, :size]
    noise_NCHW = normal.view(images_NCHW.shape).to(images_NCHW.dtype)
    return (images_NCHW + sigma_N[:, None, None, None] * noise_NCHW).clamp_(0, 255)
