"""Max pooling that remembers, in one byte, where in its 2x2 window each maximum was; and the unpooling that uses it.

SegNet's decoder puts each feature back where max pooling took it from (Badrinarayanan et al., arXiv 1511.00561,
Sec. 3, Fig. 3). Windows are 2x2 with stride 2; at an odd height or width the last window is clipped (ceil mode, as in
the Caffe release: 45 rows pool to 23). The code of a pooled value is 2 * row + column of its maximum in the window.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function


def pool(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maxima of 2x2 windows and where they were.

    Equal to `F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)` in values, places and gradients: the first
    maximum in row-major order wins a tie, and a NaN wins over every number.

    Args:
        x_NCHW: (N, C, H, W), floating point.

    Returns:
        The maxima, (N, C, ceil(H/2), ceil(W/2)), of the same dtype; and their codes, of that shape, uint8 in 0..3.
    """
    return _pool(x_NCHW)


def unpool(y_NChw: Tensor, codes_NChw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return zeros of height and width `size`, with each value of `y` at the place that its code names.

    Args:
        y_NChw: (N, C, h, w), floating point.
        codes_NChw: (N, C, h, w) uint8, from `pool`.
        size: (H, W), the size that was pooled: ceil(H/2) = h and ceil(W/2) = w.

    Returns:
        (N, C, H, W), of the dtype of `y`.

    Raises:
        ValueError: the shapes do not belong together.
    """
    height, width = size
    expected = ((height + 1) // 2, (width + 1) // 2)
    if codes_NChw.shape != y_NChw.shape or tuple(y_NChw.shape[2:]) != expected:
        raise ValueError(
            f"expected values and codes (N, C, {expected[0]}, {expected[1]}) to unpool to {height} x {width}, got "
            f"{tuple(y_NChw.shape)} and {tuple(codes_NChw.shape)}; pass the codes and the size of the matching pool"
        )
    return _unpool(y_NChw, codes_NChw, size)


class _Pool(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        y, codes = _maxima(x)
        ctx.save_for_backward(codes)
        ctx.size = (x.shape[2], x.shape[3])
        ctx.mark_non_differentiable(codes)
        return y, codes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (codes,) = ctx.saved_tensors
        return _unpool(grads[0], codes, ctx.size)


class _Unpool(Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, codes: Tensor, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(codes)
        return _scatter(y, codes, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (codes,) = ctx.saved_tensors
        return _gather_back(grads[0], codes), None, None


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.size = (x.shape[2], x.shape[3])
        return _gather(x, codes)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (codes,) = ctx.saved_tensors
        return _unpool(grads[0], codes, ctx.size), None


# Function.apply has no types of its own.
_pool = cast(Callable[[Tensor], tuple[Tensor, Tensor]], _Pool.apply)
_unpool = cast(Callable[[Tensor, Tensor, tuple[int, int]], Tensor], _Unpool.apply)
_gather_back = cast(Callable[[Tensor, Tensor], Tensor], _Gather.apply)


def _maxima(x: Tensor) -> tuple[Tensor, Tensor]:
    width = x.shape[3]
    y, places = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    # From a window's first pixel to its maximum: 0, 1, width or width + 1 pixels.
    offset = places.sub_(_first_pixels(y, width))
    lower = offset >= width
    column = (offset.to(torch.uint8) & 1) ^ (lower.to(torch.uint8) & (width & 1))
    return y, column.add_(lower.to(torch.uint8), alpha=2)


def _scatter(y: Tensor, codes: Tensor, size: tuple[int, int]) -> Tensor:
    layout = torch.contiguous_format if y.is_contiguous() else torch.channels_last
    out = torch.empty((*y.shape[:2], *size), dtype=y.dtype, device=y.device, memory_format=layout).zero_()
    dim = 2 if out.is_contiguous() else 1
    _flat(out, dim).scatter_(dim, _flat(_places(codes, size[1]), dim), _flat(y, dim))
    return out


def _gather(x: Tensor, codes: Tensor) -> Tensor:
    dim = 2 if x.is_contiguous() else 1
    y = _flat(x, dim).gather(dim, _flat(_places(codes, x.shape[3]), dim))
    if dim == 2:
        return y.view(codes.shape)
    return y.view(codes.shape[0], *codes.shape[2:], codes.shape[1]).permute(0, 3, 1, 2)


def _first_pixels(y_NChw: Tensor, width: int) -> Tensor:
    """Return the place of each window's first pixel in its row-major plane of that width, (h, w) int64."""
    rows, columns = (2 * torch.arange(side, device=y_NChw.device) for side in y_NChw.shape[2:])
    return width * rows[:, None] + columns


def _places(codes: Tensor, width: int) -> Tensor:
    """Return the place of each maximum in its row-major plane of that width: int64, of the codes' shape."""
    # code + (width - 2) * row = width * row + column
    return (_first_pixels(codes, width) + codes).add_(codes >> 1, alpha=width - 2)


def _flat(x_NCHW: Tensor, dim: int) -> Tensor:
    """Return planes as one dimension, 2 of (N, C, H * W) or 1 of (N, H * W, C): a view, if memory is laid out so."""
    return x_NCHW.flatten(2) if dim == 2 else x_NCHW.permute(0, 2, 3, 1).flatten(1, 2)
