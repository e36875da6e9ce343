"""Pooling on a GPU, by the kernels of pooling_kernels: one each to pool, to unpool, and to gather gradients."""

import torch
import triton
from torch import Tensor

from pipeline.core import pooling_kernels
from pipeline.core.pooling_plain import is_channels_last

_BYTES = 128  # of codes that a program handles: 512 values
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def can_hold(x_NCHW: Tensor) -> bool:
    """Return whether these functions accept a tensor: not empty, and of a type that they compare."""
    return x_NCHW.dtype in _DTYPES and x_NCHW.numel() > 0


def pool(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return maxima (N, C, h, w) and their packed codes (N, ceil(C/4), h, w) uint8."""
    num, channels, height, width = x_NCHW.shape
    x, last = _dense(x_NCHW)
    pooled = ((height + 1) // 2, (width + 1) // 2)
    y = _empty((num, channels, *pooled), x, last, x.dtype)
    codes = _empty((num, (channels + 3) // 4, *pooled), x, last, torch.uint8)
    pooling_kernels.pool[_grid(codes)](x, y, codes, codes.numel(), channels, height, width, last, _is_wide(x), _BYTES)
    return y, codes


def scatter(y_NChw: Tensor, codes_NGhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return zeros (N, C, *size) with each value at the place that its code names."""
    y, last = _dense(y_NChw)
    codes = _as(codes_NGhw, last)
    x = _empty((*y.shape[:2], *size), y, last, y.dtype)
    pooling_kernels.scatter[_grid(codes)](y, codes, x, codes.numel(), y.shape[1], *size, last, _is_wide(x), _BYTES)
    return x


def gather(x_NCHW: Tensor, codes_NGhw: Tensor) -> Tensor:
    """Return the values (N, C, h, w) at the places that the codes name."""
    x, last = _dense(x_NCHW)
    codes = _as(codes_NGhw, last)
    y = _empty((*x.shape[:2], *codes.shape[2:]), x, last, x.dtype)
    pooling_kernels.gather[_grid(codes)](
        x, codes, y, codes.numel(), x.shape[1], *x.shape[2:], last, _is_wide(x), _BYTES
    )
    return y


def _dense(x: Tensor) -> tuple[Tensor, bool]:
    """Return the tensor in one of the two memory formats, and whether that is channels_last."""
    last = is_channels_last(x)
    return (x if last else x.contiguous()), last


def _as(codes: Tensor, last: bool) -> Tensor:
    """Return the codes in the memory format of their values, one group of channels too."""
    return codes.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) if last else codes.contiguous()


def _empty(shape: tuple[int, ...], like: Tensor, last: bool, dtype: torch.dtype) -> Tensor:
    num, channels, height, width = shape
    if last:
        return torch.empty((num, height, width, channels), dtype=dtype, device=like.device).permute(0, 3, 1, 2)
    return torch.empty(shape, dtype=dtype, device=like.device)


def _is_wide(x: Tensor) -> bool:
    """Return whether places in a tensor, or in its padded windows, may not fit 32 bits."""
    return 4 * x.numel() >= 2**31


def _grid(codes: Tensor) -> tuple[int]:
    return (triton.cdiv(codes.numel(), _BYTES),)
