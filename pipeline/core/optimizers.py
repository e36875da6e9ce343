"""Optimizers by name. Convolution weights decay; biases and batch normalisation do not."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
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


def tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state, each tensor named <parameter number>.<key>."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, values in state.items() for key, value in values.items()}


def restore(optimizer: Optimizer, saved: Mapping[str, Tensor]) -> None:
    """Set the optimizer's state to what `tensors` returned."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    values: dict[int, dict[str, Tensor]] = {}
    for name, value in saved.items():
        number, key = name.split(".")
        like = parameters[int(number)]
        if value.shape == like.shape:  # laid out as the parameter: fused optimizers go through memory in step
            value = torch.empty_like(like).copy_(value)
        values.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})
