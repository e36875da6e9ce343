"""How weights are updated: optimizers by name, learning-rate schedules, and the moving average of the weights.

Weight decay applies to convolution weights, not to biases and batch normalisation.
"""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Builder = Callable[[nn.Module, float, float, float], Optimizer]
_WRAPPED = ("add_param_group", "load_state_dict", "state_dict", "step", "zero_grad")


def _uncompiled(kind: type[Optimizer]) -> type[Optimizer]:
    """Return an optimizer of torch without the wrappers that keep torch.compile out of its methods.

    They import the compiler, which takes a second of a core in each process; here it compiles networks alone.
    """
    methods = {name: getattr(getattr(kind, name), "__wrapped__", getattr(kind, name)) for name in _WRAPPED}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(methods["step"])})


_SGD: Callable[..., Optimizer] = _uncompiled(torch.optim.SGD)
_AdamW: Callable[..., Optimizer] = _uncompiled(torch.optim.AdamW)


def sgd(model: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> Optimizer:
    """Return SGD with momentum and an L2 penalty, as in the paper (arXiv 1511.00561, Sec. 3.2)."""
    return _SGD(_groups(model, weight_decay), lr=learning_rate, momentum=momentum, fused=True)


def nesterov(model: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> Optimizer:
    """Return SGD with Nesterov's momentum and an L2 penalty (Sutskever et al., ICML 2013, Sec. 2).

    v = momentum * v + g; w -= learning rate * (g + momentum * v), where g is the gradient with the penalty's. The
    momentum is above 0.
    """
    groups = _groups(model, weight_decay)
    return _SGD(groups, lr=learning_rate, momentum=momentum, nesterov=True, fused=True)


def adamw(model: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> Optimizer:
    """Return AdamW (Loshchilov and Hutter, 1711.05101) with betas (momentum, 0.999)."""
    return _AdamW(_groups(model, weight_decay), lr=learning_rate, betas=(momentum, 0.999), fused=True)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


# name -> builder(model, learning_rate, momentum, weight_decay)
OPTIMIZERS: dict[str, Builder] = {
    "sgd": sgd,
    "nesterov": nesterov,
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
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:  # in the parameter's memory layout, which fused optimizers rely on
            value = torch.empty_like(parameter).copy_(value)
        values.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})


def constant(progress: float) -> float:
    """Return 1 at any progress, the paper's fixed learning rate (arXiv 1511.00561, Sec. 3.2)."""
    del progress
    return 1.0


def cosine(progress: float) -> float:
    """Return (1 + cos(pi * progress)) / 2, from 1 down to 0 (Loshchilov and Hutter, 1608.03983, Eq. 5)."""
    return (1 + math.cos(math.pi * progress)) / 2


def poly(progress: float) -> float:
    """Return (1 - progress)^0.9, from 1 down to 0 (Chen et al., DeepLab, 1606.00915, Sec. 4.1)."""
    return float((1 - progress) ** 0.9)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "poly": poly,
}


def schedule_factor(name: str, step: int, num_steps: int, warmup_steps: int, *, final: float = 0.0) -> float:
    """Return the factor at `step` (0-based): linear warm-up, then the named schedule over the remaining steps.

    A schedule that falls does so from 1 to `final`, in [0, 1], which step `num_steps` would have.

    Example:
        >>> [schedule_factor("constant", step, 6, 4) for step in range(6)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return final + (1 - final) * SCHEDULES[name]((step - warmup_steps) / max(1, num_steps - warmup_steps))


class MovingAverage:
    """The exponential moving average of a network's weights: a <- d * a + (1 - d) * w, with d from `decay_at`.

    Batch normalisation's running statistics are averaged too, since they belong to the weights that produced them;
    counts (int64) are copied.
    """

    def __init__(self, average: nn.Module, model: nn.Module, decay: float) -> None:
        """Let `average`, a network of the architecture of `model`, follow it; `decay` is in [0, 1)."""
        self.network, self._decay = average, decay
        pairs = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
        self._weights = _columns(pair for pair in pairs if pair[0].is_floating_point())
        self._counts = _columns(pair for pair in pairs if not pair[0].is_floating_point())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the model, which has just taken step `step` (0-based), in place."""
        # One call for all tensors: a network has 177 of them, each of which was an operation.
        torch._foreach_lerp_(*self._weights, 1 - decay_at(step, self._decay))
        if self._counts[0]:
            torch._foreach_copy_(*self._counts)


def _columns(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    kept = list(pairs)
    return [mine for mine, _ in kept], [theirs for _, theirs in kept]


def decay_at(step: int, decay: float) -> float:
    """Return min(decay, (1 + n) / (10 + n)) after n averaged steps, so that the first weights are soon forgotten.

    Source: TensorFlow's `tf.train.ExponentialMovingAverage` with `num_updates`.

    Example:
        >>> [decay_at(step, 0.25) for step in (0, 2, 100)]
        [0.1, 0.25, 0.25]
    """
    return min(decay, (1 + step) / (10 + step))
