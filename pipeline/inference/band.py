"""What a predictor yields of an image: some full rows at a time."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Band:
    """The prediction for some full rows of an image; tensors are on the predictor's device."""

    top: int
    """The first row."""
    probabilities: Tensor
    """(C, rows, W) float32, in [0, 1]: probability of each class; they sum to 1."""
    variance: Tensor | None
    """(C, rows, W) float32, in [0, 0.25]: variance of each class's probability over the samples; None without them."""

    @property
    def rows(self) -> slice:
        """Return the rows as an index into arrays of the full image."""
        return slice(self.top, self.top + self.probabilities.shape[1])

    @cached_property
    def mask(self) -> Tensor:
        """Return the most probable class of each pixel, the first in a tie, (rows, W) uint8."""
        return self.probabilities.max(dim=0).indices.to(torch.uint8)  # on a CPU three times as fast as argmax

    @property
    def uncertainty(self) -> Tensor:
        """Return the model's uncertainty at each pixel, (rows, W) float32.

        With samples: their variance, averaged over the classes, in [0, 0.25] (Kendall et al., arXiv 1511.02680, Sec. 3;
        the release's test_bayesian_segnet.py). Without: the entropy of the probabilities, divided by that of C equal
        ones, in [0, 1].
        """
        if self.variance is not None:
            return self.variance.mean(dim=0)
        entropy: Tensor = torch.special.entr(self.probabilities).sum(dim=0) / math.log(len(self.probabilities))
        return entropy.clamp(0, 1)

    @property
    def shade(self) -> Tensor:
        """Return the uncertainty for display, (rows, W) float32 in [0, 1].

        A variance, small nearly everywhere, is shown as twice its square root, the standard deviation.
        """
        return self.uncertainty if self.variance is None else (2 * self.uncertainty.sqrt()).clamp(0, 1)
