"""Optimizers by name. Convolution weights decay; biases and batch normalisation do not."""

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer

Builder = Callable[[nn.Module, float, float, float], Optimizer]


def sgd(model: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> Optimizer:
    """Return SGD with momentum and an L2 penalty: the paper's (arXiv 1511.00561, Sec. 3.2)."""
    return torch.optim.SGD(_groups(model, weight_decay), lr=learning_rate, momentum=momentum, fused=True)


def adamw(model: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> Optimizer:
    """Return AdamW (Loshchilov and Hutter, 1711.05101) with betas (momentum, 0.999)."""
    return torch.optim.AdamW(_groups(model, weight_decay), lr=learning_rate, betas=(momentum, 0.999), fused=True)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


# name -> builder(model, learning_rate, momentum, weight_decay)
OPTIMIZERS: dict[str, Builder] = {
    "sgd": sgd,
    "adamw": adamw,
}
