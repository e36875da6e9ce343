"""Max pooling that stores each maximum's place in its 2x2 window in two bits, and the unpooling that uses it.

SegNet's decoder puts each feature back where max pooling took it from (Badrinarayanan et al., arXiv 1511.00561,
Sec. 3, Fig. 3); 2 bits per window record the place (Sec. 3). Windows are 2x2 with stride 2; at an odd height or width
the last one is clipped (ceil mode, as in the Caffe release: 45 rows pool to 23). The code of a pooled value is
2 * row + column of its maximum in the window. Codes are packed: byte (n, g, i, j) holds those of channels 4g to 4g + 3,
the first in its lowest bits. Nothing else is saved for the backward pass: that of pooling unpools the gradient, and
that of unpooling gathers it at the places of the codes.

The operations lie in three modules: pooling_cpu (integers on a CPU), pooling_triton (a kernel each, on a GPU), and
pooling_plain (anywhere, and for torch.compile).
"""

import warnings
from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from pipeline.core import pooling_cpu, pooling_plain, recompute


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
    recompute.derived(x, y_NChw, lambda y: _operations(y).scatter(y, codes_NGhw, size))
    return x


class _Pool(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        y, codes = _operations(x).pool(x)
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
        x: Tensor = _operations(y).scatter(y, codes, size)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, None, None]:
        (codes,) = ctx.saved_tensors
        return _Gather.apply(grads[0], codes), None, None  # type: ignore[no-untyped-call]


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.size = (x.shape[2], x.shape[3])
        y: Tensor = _operations(x).gather(x, codes)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, None]:
        (codes,) = ctx.saved_tensors
        return _Unpool.apply(grads[0], codes, ctx.size), None  # type: ignore[no-untyped-call]


def _operations(tensor: Tensor) -> ModuleType:
    """Return the module that pools a tensor: all give the same bits.

    torch.compile gets the plain operations, since it can fuse them.
    """
    if torch.compiler.is_compiling():
        return pooling_plain
    if tensor.is_cuda:
        kernels = _gpu_kernels()
        return kernels if kernels is not None and kernels.can_hold(tensor) else pooling_plain
    return pooling_cpu if pooling_cpu.can_hold(tensor) else pooling_plain


def runs_triton() -> bool:
    """Return whether Triton can compile kernels for this machine's GPU; if not, it is said why, once."""
    return _gpu_kernels() is not None


@cache
def _gpu_kernels() -> ModuleType | None:
    """Return pooling_triton, or None if Triton is not installed or cannot compile here, which is said once."""
    try:
        from pipeline.core import pooling_triton

        pooling_triton.pool(torch.zeros(1, 4, 2, 2, device="cuda"))
    except torch.OutOfMemoryError:  # whose cause is not Triton
        raise
    except Exception as err:
        warnings.warn(
            "pooling takes some twenty GPU kernels in place of one, and train.compile: auto compiles nothing, since "
            f"Triton does not run here: {err}; install torch's build for CUDA, and a C compiler",
            stacklevel=2,
        )
        return None
    return pooling_triton
