"""Max pooling that stores each maximum's place in its 2x2 window in two bits, and the unpooling that uses it.

SegNet's decoder puts each feature back where max pooling took it from (Badrinarayanan et al., arXiv 1511.00561,
Sec. 3, Fig. 3); 2 bits per window record the place (Sec. 3). Windows are 2x2 with stride 2; at an odd height or width
the last one is clipped (ceil mode, as in the Caffe release: 45 rows pool to 23). The code of a pooled value is
2 * row + column of its maximum in the window. Codes are packed: byte (n, g, i, j) holds those of channels 4g to 4g + 3,
the first in its lowest bits. Nothing else is saved for the backward pass: that of pooling unpools the gradient, and
that of unpooling gathers it at the places of the codes.

Tensors that pooling_cpu accepts use PyTorch's own kernels; all others, including every tensor on a GPU, use elementwise
operations that run eagerly, one after the other.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from pipeline.core import pooling_cpu


def pool(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maxima of 2x2 windows and where they were.

    Equal to `F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)` in values, places and gradients: the first
    maximum in row-major order wins a tie, and the last NaN wins over everything.

    Args:
        x_NCHW: (N, C, H, W), floating point.

    Returns:
        The maxima, (N, C, ceil(H/2), ceil(W/2)), of the same dtype; and their packed codes, of that height and width,
        (N, ceil(C/4), ...) uint8. An exported graph has int64 places instead of codes, as ONNX supports no others.
    """
    if torch.compiler.is_exporting():
        return F.max_pool2d(x_NCHW, 2, ceil_mode=True, return_indices=True)
    y, codes = _Pool.apply(x_NCHW)  # type: ignore[no-untyped-call]
    return y, codes


def unpool(y_NChw: Tensor, codes_NGhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return zeros of height and width `size`, with each value of `y` at the place that its code names.

    Args:
        y_NChw: (N, C, h, w), floating point.
        codes_NGhw: (N, ceil(C/4), h, w) uint8, from `pool`.
        size: (H, W), the size that was pooled: ceil(H/2) = h and ceil(W/2) = w.

    Returns:
        (N, C, H, W), of the dtype of `y`.

    Raises:
        ValueError: the shapes do not match.
    """
    height, width = size
    if torch.compiler.is_exporting():
        planes = y_NChw.new_zeros(*y_NChw.shape[:2], height * width)
        return planes.scatter(2, codes_NGhw.flatten(2), y_NChw.flatten(2)).view(*y_NChw.shape[:2], height, width)
    num, channels, *pooled = y_NChw.shape
    expected = ((height + 1) // 2, (width + 1) // 2)
    if codes_NGhw.shape != (num, (channels + 3) // 4, *pooled) or tuple(pooled) != expected:
        raise ValueError(
            f"expected values (N, C, {expected[0]}, {expected[1]}) and codes (N, ceil(C/4), {expected[0]}, "
            f"{expected[1]}) to unpool to {height} x {width}, got {tuple(y_NChw.shape)} and "
            f"{tuple(codes_NGhw.shape)}; pass the codes and the size of the matching pool"
        )
    x: Tensor = _Unpool.apply(y_NChw, codes_NGhw, size)  # type: ignore[no-untyped-call]
    return x


def unpacked(codes_NGhw: Tensor, num_channels: int) -> Tensor:
    """Return the codes one per byte, (N, C, h, w) uint8 in 0..3."""
    codes = torch.stack([(codes_NGhw >> shift) & 3 for shift in (0, 2, 4, 6)], dim=2)  # (N, G, 4, h, w)
    return codes.flatten(1, 2)[:, :num_channels]


class _Pool(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        y, codes = pooling_cpu.pool(x) if _is_fast(x) else _maxima(x)
        ctx.save_for_backward(codes)
        ctx.size = (x.shape[2], x.shape[3])
        ctx.mark_non_differentiable(codes)
        return y, codes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (codes,) = ctx.saved_tensors
        return _Unpool.apply(grads[0], codes, ctx.size)  # type: ignore[no-untyped-call]


class _Unpool(Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, codes: Tensor, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(codes)
        return pooling_cpu.scatter(y, codes, size) if _is_fast(y) else _scatter(y, codes, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, None, None]:
        (codes,) = ctx.saved_tensors
        return _Gather.apply(grads[0], codes), None, None  # type: ignore[no-untyped-call]


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.size = (x.shape[2], x.shape[3])
        return pooling_cpu.gather(x, codes) if _is_fast(x) else _gather(x, codes)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, None]:
        (codes,) = ctx.saved_tensors
        return _Unpool.apply(grads[0], codes, ctx.size), None  # type: ignore[no-untyped-call]


def _is_fast(tensor: Tensor) -> bool:
    """Return whether pooling_cpu is used rather than the plain operations below.

    torch.compile, which no stage uses, gets the plain operations, since it can fuse them. So does deterministic mode,
    where PyTorch rejects its own unpooling.
    """
    if torch.compiler.is_compiling() or torch.are_deterministic_algorithms_enabled():
        return False
    return pooling_cpu.can_hold(tensor)


def _maxima(x: Tensor) -> tuple[Tensor, Tensor]:
    windows = _windows(x)
    left, right = windows[..., 0], windows[..., 1]
    is_right = _wins(right, left)
    best = torch.where(is_right, right, left)  # of each row of a window
    upper, lower = best[:, :, :, 0], best[:, :, :, 1]
    is_lower = _wins(lower, upper)
    column = torch.where(is_lower, is_right[:, :, :, 1], is_right[:, :, :, 0])
    codes = column.to(torch.uint8) + 2 * is_lower.to(torch.uint8)
    codes = F.pad(codes, (0, 0, 0, 0, 0, -codes.shape[1] % 4))
    packed = codes[:, 0::4] + 4 * codes[:, 1::4] + 16 * codes[:, 2::4] + 64 * codes[:, 3::4]
    return torch.where(is_lower, lower, upper), packed


def _wins(later: Tensor, earlier: Tensor) -> Tensor:
    return (later > earlier) | later.isnan()


def _windows(x: Tensor) -> Tensor:
    """Return (N, C, h, 2, w, 2); clipped windows are padded with minus infinity, which is never a first maximum."""
    num, channels, height, width = x.shape
    pooled = ((height + 1) // 2, (width + 1) // 2)
    padding = (2 * pooled[0] - height, 2 * pooled[1] - width)
    if any(padding):
        x = F.pad(x, (0, padding[1], 0, padding[0]), value=-torch.inf)
    return x.reshape(num, channels, pooled[0], 2, pooled[1], 2)


def _scatter(y: Tensor, codes: Tensor, size: tuple[int, int]) -> Tensor:
    codes = unpacked(codes, y.shape[1])
    zero = torch.zeros((), dtype=y.dtype, device=y.device)
    rows = [
        torch.stack([torch.where(codes == 2 * row + column, y, zero) for column in (0, 1)], dim=4) for row in (0, 1)
    ]
    planes = torch.stack(rows, dim=3)  # (N, C, h, 2, w, 2)
    return planes.flatten(4, 5).flatten(2, 3)[:, :, : size[0], : size[1]]


def _gather(x: Tensor, codes: Tensor) -> Tensor:
    windows, codes = _windows(x), unpacked(codes, x.shape[1])
    is_right, is_lower = (codes & 1).bool(), codes >= 2
    upper, lower = (torch.where(is_right, windows[:, :, :, row, :, 1], windows[:, :, :, row, :, 0]) for row in (0, 1))
    return torch.where(is_lower, lower, upper)
