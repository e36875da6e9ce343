"""The exponential moving average of a network's weights."""

import torch
from torch import nn


@torch.no_grad()
def update(average: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """Move the average towards the model, in place: a <- d * a + (1 - d) * w, with d from `decay_at`.

    Batch normalisation's running statistics are averaged alike, since they belong to the weights that made them; counts
    (int64) are copied.

    Args:
        average: a network of the model's kind.
        model: the network that has just taken step `step`.
        decay: [0, 1).
        step: 0-based.
    """
    share = 1 - decay_at(step, decay)
    for ours, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if ours.is_floating_point():
            ours.lerp_(theirs, share)
        else:
            ours.copy_(theirs)


def decay_at(step: int, decay: float) -> float:
    """Return min(decay, (1 + n) / (10 + n)), where n steps have been averaged: the first weights are soon forgotten.

    Source: TensorFlow's `tf.train.ExponentialMovingAverage` with `num_updates`.

    Example:
        >>> [decay_at(step, 0.25) for step in (0, 2, 100)]
        [0.1, 0.25, 0.25]
    """
    return min(decay, (1 + step) / (10 + step))
