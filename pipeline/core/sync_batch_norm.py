"""Batch normalisation over the batches of all workers, so that N workers normalise as one would."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation whose mean and variance, in training, are those of all workers' batches together.

    The counterpart on CPUs of `nn.SyncBatchNorm`, which supports GPUs only. Every worker must call it equally often;
    their batches may differ in size. Ioffe and Szegedy, 1502.03167, Algorithm 1.
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
        x = x_NCHW.float() if x_NCHW.dtype in (torch.bfloat16, torch.float16) else x_NCHW
        pixels = x.new_full((1,), x.numel() // x.shape[1])
        sums = _sum(torch.cat([x.sum(dim=(0, 2, 3)), pixels]))
        count = sums[-1].detach()
        mean_C = sums[:-1] / count
        centred = x - mean_C[:, None, None]
        # From the centred values: E[x^2] - E[x]^2 would suffer cancellation in float32.
        variance_C = _sum(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_((variance_C * count / (count - 1)).to(self.running_var.dtype), self.momentum)
        scale_C = self.weight * (variance_C + self.eps).rsqrt()
        y: Tensor = centred * scale_C[:, None, None] + self.bias[:, None, None]
        return y.to(x_NCHW.dtype)


class _Sum(Function):
    """The sum over all workers; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


_sum = cast(Callable[[Tensor], Tensor], _Sum.apply)  # Function.apply is untyped


def synchronised(model: nn.Module) -> nn.Module:
    """Return the model with every `nn.BatchNorm2d` synchronised; parameters keep their names.

    On a GPU, by PyTorch's own `nn.SyncBatchNorm`.

    Raises:
        RuntimeError: no process group is initialised.
    """
    if not dist.is_initialized():
        raise RuntimeError("expected an initialised process group to synchronise batch normalisation over, got none")
    if next(model.parameters()).is_cuda:
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return converted
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                norm = SynchronisedBatchNorm2d(child.num_features, child.eps, child.momentum).to(child.weight)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm)
    return model
