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

_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # (row, column) of codes 0, 1, 2, 3


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


def _even(x: Tensor, value: float) -> Tensor:
    """Return `x` padded at the bottom and right to even sides, so that every window has four values."""
    height, width = x.shape[2:]
    return F.pad(x, (0, width % 2, 0, height % 2), value=value) if height % 2 or width % 2 else x


def _corner(x: Tensor, corner: tuple[int, int]) -> Tensor:
    return x[:, :, corner[0] :: 2, corner[1] :: 2]


def _maxima(x: Tensor) -> tuple[Tensor, Tensor]:
    x = _even(x, float("-inf"))
    first, second, third, fourth = (_corner(x, corner) for corner in _CORNERS)
    upper, upper_code = _later_wins(first, second)
    lower, lower_code = _later_wins(third, fourth)
    y, is_lower = _later_wins(upper, lower)
    codes = torch.where(is_lower, lower_code + 2, upper_code.to(torch.uint8))
    return y, codes.to(torch.uint8)


def _later_wins(earlier: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
    """Return the larger of two values, and whether it is the later one: only if strictly larger, or NaN."""
    wins = (later > earlier) | later.isnan()
    return torch.where(wins, later, earlier), wins


def _scatter(y: Tensor, codes: Tensor, size: tuple[int, int]) -> Tensor:
    layout = torch.contiguous_format if y.is_contiguous() else torch.channels_last
    shape = (y.shape[0], y.shape[1], 2 * y.shape[2], 2 * y.shape[3])
    out = torch.empty(shape, dtype=y.dtype, device=y.device, memory_format=layout)
    for code, corner in enumerate(_CORNERS):
        _corner(out, corner).copy_(torch.where(codes == code, y, 0))
    return out[:, :, : size[0], : size[1]].contiguous(memory_format=layout)


def _gather(x: Tensor, codes: Tensor) -> Tensor:
    x = _even(x, 0.0)
    y = _corner(x, _CORNERS[0])
    for code in (1, 2, 3):
        y = torch.where(codes == code, _corner(x, _CORNERS[code]), y)
    return y
