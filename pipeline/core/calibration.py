"""Calibration: whether a model is correct as often as its confidence in the predicted class claims.

Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, Sec. 2. Pixels are sorted by confidence, the
probability of the predicted class, into B bins of equal width, ((b - 1) / B, b / B] for b = 1..B. Counts of images add
up, so the error is that of all pixels pooled.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.arrays import Counts, Floats
from pipeline.core.metrics import ratio

if TYPE_CHECKING:  # as in metrics
    from torch import Tensor


@dataclass(frozen=True)
class Reliability:
    """Counts in each of B confidence bins."""

    pixels: Counts
    """(B,) int64: labelled pixels."""
    correct: Counts
    """(B,) int64: those of them predicted correctly."""
    confidence: Floats
    """(B,) float64: sum of the pixels' confidences."""

    def __add__(self, other: "Reliability") -> "Reliability":
        """Return the counts of both together.

        Raises:
            ValueError: they have different numbers of bins.
        """
        if len(self.pixels) != len(other.pixels):
            raise ValueError(
                f"expected the same number of bins, got {len(self.pixels)} and {len(other.pixels)}; "
                "count all images with the same num_bins"
            )
        return Reliability(self.pixels + other.pixels, self.correct + other.correct, self.confidence + other.confidence)

    @property
    def accuracies(self) -> Floats:
        """Return acc(b), the fraction of each bin's pixels predicted correctly, (B,); NaN where a bin is empty."""
        return ratio(self.correct, self.pixels)

    @property
    def confidences(self) -> Floats:
        """Return conf(b), the mean confidence of each bin's pixels, (B,); NaN where a bin is empty."""
        return ratio(self.confidence, self.pixels)

    @property
    def expected_calibration_error(self) -> float:
        """Return ECE = sum over the bins of n_b / n |acc(b) - conf(b)|, Eq. 3, in [0, 1]; NaN without pixels.

        n_b counts a bin's pixels and n all pixels. Since n_b acc(b) and n_b conf(b) are the stored sums, empty bins
        add 0.
        """
        return float(ratio(np.abs(self.correct - self.confidence).sum(), self.pixels.sum()))


def reliability(
    probabilities_CHW: "Tensor", prediction_HW: "Tensor", target_HW: "Tensor", *, num_bins: int = 15
) -> Reliability:
    """Return the confidence and correctness of one image's prediction.

    The prediction is an argument because finding it again would cost more than everything else. It is thus the scored
    mask that is judged, even where classes are equally likely.

    Args:
        probabilities_CHW: (C, H, W) float32, in [0, 1].
        prediction_HW: (H, W) integer, 0..C-1: the most probable class.
        target_HW: (H, W) integer; 0..C-1, or C for void, whose pixels are left out.
        num_bins: B; 15 in the paper.

    Raises:
        ValueError: the shapes differ, or `num_bins` is not positive.
    """
    if probabilities_CHW.ndim != 3 or not probabilities_CHW.shape[1:] == prediction_HW.shape == target_HW.shape:
        raise ValueError(
            "expected probabilities (C, H, W), prediction and target (H, W), got "
            f"{tuple(probabilities_CHW.shape)}, {tuple(prediction_HW.shape)} and {tuple(target_HW.shape)}; "
            "pass one image at its mask's size"
        )
    if num_bins < 1:
        raise ValueError(f"expected at least one bin, got {num_bins}; the paper uses 15")
    confidence_HW = probabilities_CHW.gather(0, prediction_HW[None].long())[0].double()
    # A float32 times a small integer is exact in float64, and so is the bin of a confidence on a bound. The clamp
    # admits 0 and values that rounding put above 1.
    bins_HW = ((confidence_HW * num_bins).ceil() - 1).clamp(0, num_bins - 1).long()
    # An extra bin, dropped below, collects the void targets: faster than selecting the labelled pixels.
    bins_HW.masked_fill_(target_HW == len(probabilities_CHW), num_bins)
    # Summed by numpy, in a fixed order: on a GPU the order of float sums, and so their last digits, would vary.
    bins, confidence, is_correct = (
        x_HW.flatten().cpu().numpy() for x_HW in (bins_HW, confidence_HW, prediction_HW == target_HW)
    )
    return Reliability(
        np.bincount(bins, minlength=num_bins + 1)[:num_bins],
        np.bincount(bins[is_correct], minlength=num_bins + 1)[:num_bins],
        # numpy's annotation covers only counts, not sums of weights.
        np.bincount(bins, weights=confidence, minlength=num_bins + 1)[:num_bins].astype(np.float64),
    )
