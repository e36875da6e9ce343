"""Gradients that workers exchange, each always at the same place of the same bucket."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

_SIDE = 32  # pixels, which every network takes; two such images leave normalisation two values of a channel


def exchanging(
    model: nn.Module, forward: Callable[[nn.Module, Tensor], Tensor], *, is_static: bool
) -> DistributedDataParallel:
    """Return a replica of a network whose gradients are averaged over all workers; its buckets are laid out for good.

    DDP lays its buckets out anew, once, in the order in which the first gradients arrive: within its first three
    passes. From three workers on, the order in which gloo adds the parts of a gradient depends on its place in a
    bucket, so a training that resumes would otherwise not round as one that was not interrupted. Hence two passes here,
    which leave weights and statistics as they were. They exchange, too: torch 2.13 fails if DDP's first backward pass
    is one without.

    Args:
        model: the network, whose gradients are None, on the device that it is trained on.
        forward: returns a network's output for images (2, 3, H, W).
        is_static: whether the graph is the same at every step.
    """
    # Gradients are summed where they lie. Statistics are not sent at each step: either all workers compute the same
    # ones, or the first worker's count, and `Learner.published` sends them.
    replica = DistributedDataParallel(
        model, gradient_as_bucket_view=True, forward_sync_buffers=False, static_graph=is_static
    )
    before = [buffer.clone() for buffer in model.buffers()]
    images = torch.zeros(2, 3, _SIDE, _SIDE, device=next(model.parameters()).device)
    model.train()
    for _ in range(2):
        torch.autograd.backward(forward(replica, images.contiguous(memory_format=torch.channels_last)).mean())
        model.zero_grad(set_to_none=True)
    for buffer, value in zip(model.buffers(), before, strict=True):
        buffer.copy_(value)
    return replica
