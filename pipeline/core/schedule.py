"""Learning-rate schedules: a factor in [0, 1] on the highest learning rate, by progress."""

import math
from collections.abc import Callable


def constant(progress: float) -> float:
    """Return 1 at any progress: the paper's fixed learning rate (arXiv 1511.00561, Sec. 3.2)."""
    del progress
    return 1.0


def cosine(progress: float) -> float:
    """Return (1 + cos(pi * progress)) / 2, from 1 down to 0 (Loshchilov and Hutter, 1608.03983, Eq. 5)."""
    return (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
}


def factor(name: str, step: int, num_steps: int, warmup_steps: int) -> float:
    """Return the factor at `step` (0-based): linear over the warm-up, then the named schedule over the steps left.

    Example:
        >>> [factor("constant", step, 6, 4) for step in range(6)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return SCHEDULES[name]((step - warmup_steps) / max(1, num_steps - warmup_steps))
