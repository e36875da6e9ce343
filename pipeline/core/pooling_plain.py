"""Pooling by elementwise operations, which run anywhere, and which torch.compile fuses with what is around them.

Results keep the memory format of their input: the next convolution would otherwise have to convert it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def is_channels_last(x_NCHW: Tensor) -> bool:
    """Return whether a tensor is unambiguously channels_last: a single channel or pixel matches both formats."""
    return x_NCHW.is_contiguous(memory_format=torch.channels_last) and not x_NCHW.is_contiguous()


def pool(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return maxima (N, C, h, w) and their packed codes (N, ceil(C/4), h, w) uint8."""
    windows, axis = _windows(x_NCHW)
    left, right = windows.unbind(axis + 3)
    is_right = _wins(right, left)
    upper, lower = torch.where(is_right, right, left).unbind(axis + 1)  # the best of each row of a window
    is_lower = _wins(lower, upper)
    upper_column, lower_column = is_right.unbind(axis + 1)
    codes = torch.where(is_lower, lower_column, upper_column).to(torch.uint8) + 2 * is_lower.to(torch.uint8)
    best = torch.where(is_lower, lower, upper)
    if axis == 1:
        best, codes = best.permute(0, 3, 1, 2), codes.permute(0, 3, 1, 2)
    codes = F.pad(codes, (0, 0, 0, 0, 0, -codes.shape[1] % 4))
    return best, codes[:, 0::4] + 4 * codes[:, 1::4] + 16 * codes[:, 2::4] + 64 * codes[:, 3::4]


def scatter(y_NChw: Tensor, codes_NGhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return zeros (N, C, *size) with each value at the place that its code names."""
    codes, y, axis = unpacked(codes_NGhw, y_NChw.shape[1]), y_NChw, 2
    if is_channels_last(y_NChw):
        codes, y, axis = _last(codes), y_NChw.permute(0, 2, 3, 1), 1
    zero = torch.zeros((), dtype=y.dtype, device=y.device)
    rows = [
        torch.stack([torch.where(codes == 2 * row + column, y, zero) for column in (0, 1)], dim=axis + 2)
        for row in (0, 1)
    ]
    windows = torch.stack(rows, dim=axis + 1)  # (N, C, h, 2, w, 2) or (N, h, 2, w, 2, C)
    planes = windows.flatten(axis + 2, axis + 3).flatten(axis, axis + 1)
    return (planes.permute(0, 3, 1, 2) if axis == 1 else planes)[:, :, : size[0], : size[1]]


def gather(x_NCHW: Tensor, codes_NGhw: Tensor) -> Tensor:
    """Return the values (N, C, h, w) at the places that the codes name."""
    codes = unpacked(codes_NGhw, x_NCHW.shape[1])
    windows, axis = _windows(x_NCHW)
    if axis == 1:
        codes = _last(codes)
    (upper_left, upper_right), (lower_left, lower_right) = (row.unbind(axis + 2) for row in windows.unbind(axis + 1))
    is_right = (codes & 1).bool()
    upper, lower = torch.where(is_right, upper_right, upper_left), torch.where(is_right, lower_right, lower_left)
    y = torch.where(codes >= 2, lower, upper)
    return y.permute(0, 3, 1, 2) if axis == 1 else y


def unpacked(codes_NGhw: Tensor, num_channels: int) -> Tensor:
    """Return the codes one per byte, (N, C, h, w) uint8 in 0..3."""
    codes = torch.stack([(codes_NGhw >> shift) & 3 for shift in (0, 2, 4, 6)], dim=2)  # (N, G, 4, h, w)
    return codes.flatten(1, 2)[:, :num_channels]


def _last(codes: Tensor) -> Tensor:
    """Return (N, h, w, C), contiguous: the result of torch.where has the format of its first operand."""
    return codes.permute(0, 2, 3, 1).contiguous()


def _wins(later: Tensor, earlier: Tensor) -> Tensor:
    return (later > earlier) | later.isnan()


def _windows(x: Tensor) -> tuple[Tensor, int]:
    """Return (N, C, h, 2, w, 2) and 2 or, of a channels_last tensor, (N, h, 2, w, 2, C) and 1: the axis of h.

    Clipped windows are padded with minus infinity, which is never a first maximum.
    """
    num, channels, height, width = x.shape
    axis = 1 if is_channels_last(x) else 2
    pooled = ((height + 1) // 2, (width + 1) // 2)
    padding = (2 * pooled[0] - height, 2 * pooled[1] - width)
    if any(padding):
        x = F.pad(x, (0, padding[1], 0, padding[0]), value=-torch.inf)
    if axis == 1:
        return x.permute(0, 2, 3, 1).reshape(num, pooled[0], 2, pooled[1], 2, channels), axis
    return x.reshape(num, channels, pooled[0], 2, pooled[1], 2), axis
