"""Dropout that belongs to the tile: what it drops does not depend on the worker, or part of a batch, a tile is in."""

import torch
from torch import Tensor, nn

from pipeline.core import counter_random


class TileDropout(nn.Dropout):
    """Dropout in training whose draws are computed from a key for each image, and from the place of each value."""

    def __init__(self, rate: float, number: int) -> None:
        """Drop each value with probability `rate`, in [0, 1); `number` tells the layers of a network apart."""
        super().__init__(rate)
        self._number = number
        self._keys_N = torch.empty(0, dtype=torch.int64)

    def use(self, keys_N: Tensor) -> None:
        """Take the keys (N,) int64 of the images that come next."""
        self._keys_N = keys_N

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return a batch with values dropped and the others divided by 1 - `rate`; outside training, as it is.

        Args:
            x_NCHW: (N, C, H, W), of as many images as there are keys.

        Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014, Sec. 10
        (the division).
        """
        if not self.training or self.p == 0:
            return x_NCHW
        size = x_NCHW[0].numel()
        pairs = counter_random.pairs(counter_random.derived(self._keys_N, self._number), (size + 1) // 2)
        are_kept_NCHW = (torch.cat(pairs, dim=1)[:, :size] >= round(self.p * 2**counter_random.BITS)).view(x_NCHW.shape)
        factors_NCHW = torch.empty_like(x_NCHW).copy_(are_kept_NCHW)  # in the memory format of the batch
        return x_NCHW * factors_NCHW.mul_(1 / (1 - self.p))


def by_tile(network: nn.Module) -> list[TileDropout]:
    """Replace every `nn.Dropout` of a network, in place; return the new layers, in the order of its modules."""
    layers: list[TileDropout] = []
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                layers.append(TileDropout(child.p, len(layers)))
                setattr(parent, name, layers[-1])
    return layers
