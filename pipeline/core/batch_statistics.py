"""Batch normalisation's statistics, computed anew from given images."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.core.sync_batch_norm import copy_alone


@torch.no_grad()
def renewed(network: nn.Module, batches: Iterable[Tensor], forward: Callable[[nn.Module, Tensor], object]) -> nn.Module:
    """Return a copy of a network, in evaluation mode, with the statistics of all values that it sees in some batches.

    Meanwhile, batch normalisation normalises by each batch's own, as in training but by this process alone, and
    everything else is as in evaluation. A layer's mean is that of all values of a channel, and so is its variance,
    unbiased; batches may differ in size.

    Args:
        network: unchanged.
        batches: images (N, C, H, W), at least one batch.
        forward: computes a network's output for a batch.

    Source: Wu and Johnson, Rethinking "Batch" in BatchNorm, 2105.07576, Sec. 3 (PreciseBN).
    """
    copy = copy_alone(network).eval()
    layers = [module for module in copy.modules() if isinstance(module, _BatchNorm)]
    seen = [_Sums(layer) for layer in layers]
    for images in batches:
        forward(copy, images)
    for sums in seen:
        sums.write()
    return copy.eval()


class _Sums:
    """What a layer has seen: number, sum and sum of squares of the values of each channel, float64."""

    def __init__(self, layer: _BatchNorm) -> None:
        self._layer, self._totals, self._count = layer, torch.zeros(2, layer.num_features, dtype=torch.float64), 0
        self._before = {name: value.clone() for name, value in layer.state_dict().items()}
        self._hook = layer.train().register_forward_pre_hook(self._add)

    def _add(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        values: Tensor = inputs[0]
        count = values.numel() // values.shape[1]
        # From the centred values of a batch: E[x^2] - E[x]^2 would suffer cancellation in float32.
        precise = values.to(torch.promote_types(values.dtype, torch.float32))
        variance, mean = (each.double().cpu() for each in torch.var_mean(precise, dim=(0, 2, 3), correction=0))
        self._totals += count * torch.stack([mean, variance + mean**2])
        self._count += count

    def write(self) -> None:
        """Set the layer's statistics."""
        self._hook.remove()
        mean, square = self._totals / self._count
        variance = (square - mean**2) * self._count / (self._count - 1)
        self._layer.load_state_dict({**self._before, "running_mean": mean, "running_var": variance})
