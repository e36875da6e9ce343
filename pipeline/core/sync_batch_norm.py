"""Batch normalisation over the batches of all workers, so that N workers normalise as one would."""

from collections.abc import Callable
from typing import Any

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
        return lambda x_NCHW: _affine(x_NCHW, mean_C, (variance_C + eps).rsqrt(), weight, bias)


class _Normalise(Function):
    """Returns the output, and mean, variance and number of values of all workers' batches."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x_NCHW, weight, bias, eps = inputs
        x = _precise(x_NCHW)
        pixels = x.new_full((1,), x.numel() // x.shape[1])
        sums = _summed(torch.cat([x.sum(dim=(0, 2, 3)), pixels]))
        count = sums[-1]
        mean_C = sums[:-1] / count
        # From the centred values: E[x^2] - E[x]^2 would suffer cancellation in float32.
        variance_C = _summed((x - mean_C[:, None, None]).square().sum(dim=(0, 2, 3))) / count
        inverse_C = (variance_C + eps).rsqrt()
        ctx.save_for_backward(x_NCHW, weight, mean_C, inverse_C, count)
        ctx.mark_non_differentiable(mean_C, variance_C, count)
        return _affine(x_NCHW, mean_C, inverse_C, weight, bias), mean_C, variance_C, count

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        x_NCHW, weight, mean_C, inverse_C, count = ctx.saved_tensors
        gradient = _precise(grads[0])
        normalised = (_precise(x_NCHW) - mean_C[:, None, None]) * inverse_C[:, None, None]
        of_bias = gradient.sum(dim=(0, 2, 3))
        of_weight = (gradient * normalised).sum(dim=(0, 2, 3))
        # Ioffe and Szegedy, Sec. 3: what the mean and the variance of all workers' values contribute.
        means = _summed(torch.stack([of_bias, of_weight])) / count
        centred = gradient - means[0][:, None, None] - normalised * means[1][:, None, None]
        of_x = centred * (weight * inverse_C)[:, None, None]
        return of_x.to(x_NCHW.dtype), of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


def _affine(x_NCHW: Tensor, mean_C: Tensor, inverse_C: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = _precise(x_NCHW) - mean_C[:, None, None]
    return (centred * (weight * inverse_C)[:, None, None] + bias[:, None, None]).to(x_NCHW.dtype)


def _precise(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _summed(x: Tensor) -> Tensor:
    """Return the sum over all workers."""
    total = x.clone()
    dist.all_reduce(total)
    return total


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
