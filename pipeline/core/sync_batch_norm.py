"""Batch normalisation over the batches of all workers, so that N workers normalise as one would."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import batch_norm


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation whose mean and variance, in training, are those of all workers' batches together.

    `nn.SyncBatchNorm` supports GPUs only, and there the host waits for the device in each layer, to leave out workers
    without values (torch 2.13: torch/nn/modules/_functions.py), which torch.compile cannot trace. Every worker must
    call this one equally often, with at least one value; their batches may differ in size. In half precision, the
    gradient is rounded three times, where that of `nn.BatchNorm2d` is rounded once. Ioffe and Szegedy, 1502.03167,
    Algorithm 1.
    """

    # Optional in nn.BatchNorm2d, always set here.
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the normalised (N, C, H, W); the running statistics are updated as `nn.BatchNorm2d` does."""
        if not self.training:
            return super().forward(x_NCHW)
        y: Tensor
        y, mean_C, variance_C, count = _Normalise.apply(x_NCHW, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        self._statistics = (mean_C, variance_C)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_((variance_C * count / (count - 1)).to(self.running_var.dtype), self.momentum)
        return y

    def again(self) -> Callable[[Tensor], Tensor]:
        """Return a function that normalises as the last call of `forward` did, with its statistics."""
        mean_C, variance_C = self._statistics
        weight, bias, eps = self.weight.detach(), self.bias.detach(), self.eps
        return lambda x_NCHW: batch_norm(x_NCHW, mean_C, variance_C, weight, bias, eps=eps)


class _Normalise(Function):
    """Returns the output, and mean, variance and number of values of all workers' batches."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x_NCHW, weight, bias, eps = inputs
        mean_C, variance_C, count = _statistics(x_NCHW)
        weight, bias = weight.to(mean_C.dtype), bias.to(mean_C.dtype)
        ctx.save_for_backward(x_NCHW, weight, mean_C, variance_C, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean_C, variance_C, count)
        return batch_norm(x_NCHW, mean_C, variance_C, weight, bias, eps=eps), mean_C, variance_C, count

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        x_NCHW, weight, mean_C, variance_C, count = ctx.saved_tensors
        inverse_C = (variance_C + ctx.eps).rsqrt()
        # As if mean and variance were constants. CPUs read them as running statistics; GPUs, in channels_last, as saved
        # ones, which they insist on (torch 2.13: aten/src/ATen/native/cuda/Normalization.cu).
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            grads[0], x_NCHW, weight, mean_C, variance_C, mean_C, inverse_C, False, ctx.eps, [True, True, True]
        )
        # Ioffe and Szegedy, Sec. 3: what the mean and the variance of all workers' values contribute.
        sums = _of_all_workers(torch.stack([of_weight, of_bias])).sum(dim=0)
        scale_C, shift_C = -weight * inverse_C * sums / count
        of_x += batch_norm(x_NCHW, mean_C, variance_C, scale_C, shift_C, eps=ctx.eps)
        return of_x, of_weight, of_bias, None


def _statistics(x_NCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and variance of each channel, and how many values it has, of all workers' batches."""
    # Of no effect but its type: momentum is 0.
    like_C = torch.zeros(x_NCHW.shape[1], dtype=_precise(x_NCHW.dtype), device=x_NCHW.device)
    mean_C, variance_C = torch.batch_norm_update_stats(x_NCHW, like_C, like_C.clone(), 0.0)
    own = torch.cat([mean_C.new_full((1,), x_NCHW.numel() // len(mean_C)), mean_C, variance_C]).double()
    gathered = _of_all_workers(own)
    counts_W, (means_WC, variances_WC) = gathered[:, 0], gathered[:, 1:].chunk(2, dim=1)
    count = counts_W.sum()
    shares_W = counts_W / count
    total_mean_C = shares_W @ means_WC
    # Not by E[x^2] - E[x]^2, in which digits cancel.
    total_variance_C = shares_W @ (variances_WC + (means_WC - total_mean_C).square())
    return total_mean_C.to(mean_C.dtype), total_variance_C.to(mean_C.dtype), count.to(mean_C.dtype)


def _of_all_workers(own: Tensor) -> Tensor:
    """Return the tensors of all workers, (W, ...): with fewer round trips than their sum would take."""
    gathered = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, own)
    return torch.stack(gathered)


def _precise(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def synchronised(model: nn.Module) -> nn.Module:
    """Return the model with every `nn.BatchNorm2d` synchronised; parameters keep their names.

    Raises:
        RuntimeError: no process group is initialised.
    """
    if not dist.is_initialized():
        raise RuntimeError("expected an initialised process group to synchronise batch normalisation over, got none")
    return _with(model, nn.BatchNorm2d, SynchronisedBatchNorm2d)


def copy_alone(model: nn.Module) -> nn.Module:
    """Return a copy of the model in which nothing is synchronised; parameters keep their names."""
    return _with(deepcopy(model), SynchronisedBatchNorm2d, nn.BatchNorm2d)


def _with(model: nn.Module, old: type[nn.BatchNorm2d], new: type[nn.BatchNorm2d]) -> nn.Module:
    """Return the model with layers of one kind in place of those of another."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is old:
                norm = new(child.num_features, child.eps, child.momentum).to(child.weight)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm)
    return model
