"""Pooling of channels_last tensors on the CPU, in strips that stay in its cache.

PyTorch's kernels find the maxima fastest, but store each place as an int64: 64 bits where 2 suffice. So places exist
only for the current strip, and just the packed codes (pipeline/core/pooling.py) are kept. Values are put to their
places and taken from them by bitwise operations, which PyTorch vectorises for integers of any width: a code's two bits
become two masks of all bits of its value, by which the value goes to one of four pixels. Measured beside PyTorch's
kernels by benchmarks/pooling.py.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.core.pooling_plain import is_channels_last

# Pooled values; PyTorch's places of them take 4 MiB. Threads wait for each other once an operation, so seldom enough.
_STRIP = 2**19
_LAST_PLACE = 2**15 - 1  # places within a strip are computed in int16
_WINDOWS = ([2, 2], [2, 2], [0, 0], [1, 1], True)  # kernel, stride, padding, dilation, ceil mode
_BITS = {2: torch.int64, 4: torch.int32, 8: torch.int64}
"""By bytes of a value, the integers that its bits are taken as: four values of 2 bytes are one."""
_LOWEST = 0x0001_0001_0001_0001

Strip = tuple[slice, slice, slice]  # images, pooled rows, rows


def can_hold(x_NCHW: Tensor) -> bool:
    """Return whether these functions accept a tensor: on the CPU, unambiguously channels_last, and not too wide.

    Where a tensor matches both memory formats, PyTorch's kernels may assume the other one. Four values that are taken
    as one integer begin at a multiple of four.
    """
    fits = x_NCHW.shape[1] % 4 == 0 and 4 * x_NCHW.shape[3] <= _LAST_PLACE
    is_aligned = x_NCHW.element_size() in _BITS and x_NCHW.storage_offset() % 4 == 0
    is_ours = x_NCHW.device.type == "cpu" and is_channels_last(x_NCHW)
    return is_ours and fits and is_aligned and x_NCHW.numel() > 0


def pool(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return maxima (N, C, h, w) and their packed codes (N, C/4, h, w) uint8."""
    num, channels, height, width = x_NCHW.shape
    y = _empty((num, channels, (height + 1) // 2, (width + 1) // 2), x_NCHW.dtype)
    codes = _empty((num, channels // 4, *y.shape[2:]), torch.uint8)
    most_rows = max(1, _LAST_PLACE // (2 * width))
    firsts = _first_places(min(most_rows, y.shape[2]), y, width)
    for images, pooled, rows in _strips(y, most_rows):
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
    for images, pooled, rows in _strips(y_NChw):
        is_right, is_lower = _masks(codes_NGhw[images, :, pooled], x.element_size())
        upper, windows = _bits(y_NChw)[images, pooled], _bits(x)[images, rows]
        lower = is_lower.bitwise_and_(upper)
        for row, values in enumerate((upper ^ lower, lower)):
            left, right = windows[:, row::2, 0::2], windows[:, row::2, 1::2]
            within = _within(right)
            torch.bitwise_and(values[within], is_right[within], out=right)
            torch.bitwise_xor(values[within], right, out=left[within])
            left[:, :, right.shape[2] :] = values[:, : left.shape[1], right.shape[2] :]
    return x


def gather(x_NCHW: Tensor, codes_NGhw: Tensor) -> Tensor:
    """Return the values (N, C, h, w) at the places that the codes name."""
    y = _empty((*x_NCHW.shape[:2], *codes_NGhw.shape[2:]), x_NCHW.dtype)
    for images, pooled, rows in _strips(y):
        is_right, is_lower = _masks(codes_NGhw[images, :, pooled], y.element_size())
        windows = _bits(x_NCHW)[images, rows]
        upper, lower = (
            _chosen(pixels[:, :, 0::2], pixels[:, :, 1::2], is_right) for pixels in (windows[:, 0::2], windows[:, 1::2])
        )
        _bits(y)[images, pooled] = _chosen(upper, lower, is_lower)
    return y


def _chosen(first: Tensor, second: Tensor, is_second: Tensor) -> Tensor:
    """Return the bits of `second` where the mask is set, else of `first`, which alone has those of clipped windows."""
    within = _within(second)
    chosen = (first[within] ^ second).bitwise_and_(is_second[within]).bitwise_xor_(first[within])
    if first.shape == second.shape:
        return chosen
    whole = first.clone()
    whole[within] = chosen
    return whole


def _within(pixels: Tensor) -> tuple[slice, slice, slice]:
    """Return the windows of a strip that have such pixels: at an odd height or width, the last ones are clipped."""
    return slice(None), slice(pixels.shape[1]), slice(pixels.shape[2])


def _masks(codes_NGhw: Tensor, num_bytes: int) -> tuple[Tensor, Tensor]:
    """Return all bits of each value, as `_bits` has them, set where its maximum is right, and where it is below."""
    # A byte's four codes, from bits 0, 2, 4 and 6, go to bits 0, 16, 32 and 48; no two bits meet.
    codes = codes_NGhw.permute(0, 2, 3, 1).to(torch.int64, memory_format=torch.contiguous_format)
    codes = codes.mul_(1 + (1 << 14) + (1 << 28) + (1 << 42))
    is_lower, is_right = (codes >> 1).bitwise_and_(_LOWEST), codes.bitwise_and_(_LOWEST)
    masks = [(lowest << 16).sub_(lowest) for lowest in (is_right, is_lower)]  # 2^16 - 1 for each 1
    if num_bytes > 2:
        masks = [mask.view(torch.int16).to(_BITS[num_bytes]) for mask in masks]  # -1 remains -1
    return masks[0], masks[1]


def _bits(x_NCHW: Tensor) -> Tensor:
    """Return a view of a tensor's bits as integers, (N, H, W, C or, of values of 2 bytes, C / 4)."""
    return x_NCHW.permute(0, 2, 3, 1).view(_BITS[x_NCHW.element_size()])


def _first_places(height: int, y_NChw: Tensor, width: int) -> Tensor:
    """Return the place of each window's first pixel in the plane of a strip of `height` windows, (h, w, 1) int16."""
    rows, columns = (2 * torch.arange(side, dtype=torch.int16) for side in (height, y_NChw.shape[3]))
    return (width * rows[:, None] + columns)[:, :, None]


def _strips(y_NChw: Tensor, most_rows: int = _STRIP) -> Iterator[Strip]:
    """Yield strips: some rows of an image, or several small images."""
    num, channels, height, pooled_width = y_NChw.shape
    num_rows = min(height, most_rows, max(1, _STRIP // (channels * pooled_width)))
    num_images = max(1, _STRIP // (channels * pooled_width * height)) if num_rows == height else 1
    for image in range(0, num, num_images):
        for top in range(0, height, num_rows):
            pooled, rows = slice(top, top + num_rows), slice(2 * top, 2 * (top + num_rows))
            yield slice(image, image + num_images), pooled, rows


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, memory_format=torch.channels_last)
