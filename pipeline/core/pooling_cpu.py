"""Pooling of channels_last tensors on the CPU, in strips that stay in its cache.

PyTorch's kernels are the fastest available there, but store each place as an int64: 64 bits where 2 suffice. So places
exist only for the current strip, and just the packed codes (pipeline/core/pooling.py) are kept. Converting between the
two costs less than writing the places to memory and reading them back: benchmarks/pooling.py.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.core.pooling_plain import is_channels_last

# Pooled values; their places take 8 MiB. Smaller strips are no faster, and make threads wait for each other more often.
_STRIP = 2**20
_LAST_PLACE = 2**15 - 1  # places within a strip are computed in int16
_WINDOWS = ([2, 2], [2, 2], [0, 0], [1, 1], True)  # kernel, stride, padding, dilation, ceil mode

Strip = tuple[slice, slice, slice]  # images, pooled rows, rows


def can_hold(x_NCHW: Tensor) -> bool:
    """Return whether these functions accept a tensor: on the CPU, unambiguously channels_last, and not too wide.

    Where a tensor matches both memory formats, PyTorch's kernels may assume the other one.
    """
    fits = x_NCHW.shape[1] % 4 == 0 and 4 * x_NCHW.shape[3] <= _LAST_PLACE
    return x_NCHW.device.type == "cpu" and is_channels_last(x_NCHW) and fits and x_NCHW.numel() > 0


def pool(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return maxima (N, C, h, w) and their packed codes (N, C/4, h, w) uint8."""
    num, channels, height, width = x_NCHW.shape
    y = _empty((num, channels, (height + 1) // 2, (width + 1) // 2), x_NCHW.dtype)
    codes = _empty((num, channels // 4, *y.shape[2:]), torch.uint8)
    firsts = _first_places(y, width)
    for images, pooled, rows in _strips(y, width):
        values = y[images, :, pooled]
        places = _empty(values.shape, torch.int64)
        torch.ops.aten.max_pool2d_with_indices.out(x_NCHW[images, :, rows], *_WINDOWS, out=values, indices=places)
        offsets = places.permute(0, 2, 3, 1).to(torch.int16).sub_(firsts[: values.shape[2]])
        lower = (offsets >= width).view(torch.uint8)  # of 0, 1, width and width + 1
        unpacked = offsets.to(torch.uint8).sub_(lower, alpha=(width - 2) % 256)
        # Four bytes b0, b1, b2, b3 < 4, times this: the highest byte is b0 + 4 b1 + 16 b2 + 64 b3.
        packed = unpacked.view(torch.int32).mul_(0x01041040).bitwise_right_shift_(24)
        codes[images, :, pooled] = packed.permute(0, 3, 1, 2)
    return y, codes


def scatter(y_NChw: Tensor, codes_NGhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return zeros (N, C, *size) with each value at the place that its code names."""
    x = _empty((*y_NChw.shape[:2], *size), y_NChw.dtype)
    firsts = _first_places(y_NChw, size[1])
    for images, pooled, rows in _strips(y_NChw, size[1]):
        places, part = _places(codes_NGhw[images, :, pooled], firsts, size[1]), x[images, :, rows]
        torch.ops.aten.max_unpool2d.out(y_NChw[images, :, pooled], places, part.shape[2:], out=part)
    return x


def gather(x_NCHW: Tensor, codes_NGhw: Tensor) -> Tensor:
    """Return the values (N, C, h, w) at the places that the codes name."""
    num, channels, _, width = x_NCHW.shape
    y = _empty((num, channels, *codes_NGhw.shape[2:]), x_NCHW.dtype)
    firsts = _first_places(y, width)
    for images, pooled, rows in _strips(y, width):
        places = _places(codes_NGhw[images, :, pooled], firsts, width)
        values = _flat(x_NCHW[images, :, rows]).gather(1, _flat(places))
        y[images, :, pooled] = values.view(places.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
    return y


def _places(codes_NGhw: Tensor, firsts: Tensor, width: int) -> Tensor:
    """Return each maximum's place in the row-major plane of its strip, (N, C, h, w) int64."""
    num, groups, height, pooled_width = codes_NGhw.shape
    spread = codes_NGhw.permute(0, 2, 3, 1).reshape(-1).to(torch.int32)
    # A byte's four codes, from bits 0, 2, 4 and 6, go to bits 0, 8, 16 and 24: first two and two, then one and one.
    spread = spread.mul_(0x1001).bitwise_and_(0x000F000F).mul_(0x41).bitwise_and_(0x03030303)
    places = spread.view(torch.uint8).to(torch.int16).view(num, height, pooled_width, 4 * groups)
    # code + (width - 2) * row = width * row + column
    places.add_(places >> 1, alpha=width - 2).add_(firsts[:height])
    return places.to(torch.int64).permute(0, 3, 1, 2)


def _first_places(y_NChw: Tensor, width: int) -> Tensor:
    """Return the place of each window's first pixel in the plane of the largest strip, (h, w, 1) int16."""
    rows, columns = (2 * torch.arange(side, dtype=torch.int16) for side in (_num_rows(y_NChw, width), y_NChw.shape[3]))
    return (width * rows[:, None] + columns)[:, :, None]


def _num_rows(y_NChw: Tensor, width: int) -> int:
    """Return how many pooled rows the largest strip has."""
    _, channels, height, pooled_width = y_NChw.shape
    return min(height, max(1, min(_STRIP // (channels * pooled_width), _LAST_PLACE // (2 * width))))


def _strips(y_NChw: Tensor, width: int) -> Iterator[Strip]:
    """Yield strips: some rows of an image, or several small images."""
    num, channels, height, pooled_width = y_NChw.shape
    num_rows = _num_rows(y_NChw, width)
    num_images = max(1, _STRIP // (channels * pooled_width * height)) if num_rows == height else 1
    for image in range(0, num, num_images):
        for top in range(0, height, num_rows):
            pooled, rows = slice(top, top + num_rows), slice(2 * top, 2 * (top + num_rows))
            yield slice(image, image + num_images), pooled, rows


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, memory_format=torch.channels_last)


def _flat(x_NCHW: Tensor) -> Tensor:
    """Return (N, H * W, C), a view."""
    return x_NCHW.permute(0, 2, 3, 1).flatten(1, 2)
