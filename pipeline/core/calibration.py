"""Whether a model is right as often as it is sure: its confidence in the predicted class against the truth.

Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, Sec. 2. Pixels are sorted by confidence, the
probability of the predicted class, into B bins of equal width, ((b - 1) / B, b / B] for b = 1..B. The counts of images
add up, so that the error is that of all pixels together.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from pipeline.core.metrics import Counts, Floats, ratio


@dataclass(frozen=True)
class Reliability:
    """What is counted in each of B bins of confidence."""

    pixels: Counts
    """(B,) int64: labelled pixels."""
    correct: Counts
    """(B,) int64: of these, the rightly predicted."""
    confidence: Floats
    """(B,) float64: sum of their confidences."""

    def __add__(self, other: "Reliability") -> "Reliability":
        """Return the counts of both together.

        Raises:
            ValueError: they have different numbers of bins.
        """
        if len(self.pixels) != len(other.pixels):
            raise ValueError(
                f"expected as many bins in both, got {len(self.pixels)} and {len(other.pixels)}; "
                "count all images with the same num_bins"
            )
        return Reliability(self.pixels + other.pixels, self.correct + other.correct, self.confidence + other.confidence)

    @property
    def accuracies(self) -> Floats:
        """Return acc(b), the fraction of each bin's pixels that is right, (B,); NaN where a bin is empty."""
        return ratio(self.correct, self.pixels)

    @property
    def confidences(self) -> Floats:
        """Return conf(b), the mean confidence of each bin's pixels, (B,); NaN where a bin is empty."""
        return ratio(self.confidence, self.pixels)

    @property
    def expected_calibration_error(self) -> float:
        """Return ECE = sum over the bins of n_b / n |acc(b) - conf(b)|, Eq. 3, in [0, 1]; NaN without a pixel.

        n_b are a bin's pixels and n all. As n_b acc(b) and n_b conf(b) are the sums themselves, empty bins add 0.
        """
        return float(ratio(np.abs(self.correct - self.confidence).sum(), self.pixels.sum()))


def reliability(
    probabilities_CHW: Tensor, prediction_HW: Tensor, target_HW: Tensor, *, num_bins: int = 15
) -> Reliability:
    """Return how sure and how right the prediction of one image is.

    The prediction is passed, not searched for again, which costs more than all the rest: so it is the scored mask that
    is judged, also where classes are equally likely.

    Args:
        probabilities_CHW: (C, H, W) float32, in [0, 1].
        prediction_HW: (H, W) integer, 0..C-1: the likeliest class.
        target_HW: (H, W) integer; 0..C-1, or C for void, whose pixels are left out.
        num_bins: B; 15 in the paper.

    Raises:
        ValueError: the shapes differ, or there is no bin.
    """
    if probabilities_CHW.ndim != 3 or not probabilities_CHW.shape[1:] == prediction_HW.shape == target_HW.shape:
        raise ValueError(
            "expected probabilities (C, H, W), prediction and target (H, W), got "
            f"{tuple(probabilities_CHW.shape)}, {tuple(prediction_HW.shape)} and {tuple(target_HW.shape)}; "
            "pass one image at its mask's size"
        )
    if num_bins < 1:
        raise ValueError(f"expected at least one bin, got {num_bins}; the paper has 15")
    confidence_HW = probabilities_CHW.gather(0, prediction_HW[None].long())[0].double()
    # A float32 times a small integer is exact in float64: so is the bin of a confidence on a bound. The clamp takes in
    # 0, and what rounding put above 1.
    bins_HW = ((confidence_HW * num_bins).ceil() - 1).clamp(0, num_bins - 1).long()
    # One more bin catches the void targets; it is cut off again: faster than to pick out the labelled pixels.
    bins_HW.masked_fill_(target_HW == len(probabilities_CHW), num_bins)
    # Summed by numpy, in one order: on a GPU the order of float sums, and so their last digits, would change.
    bins, confidence, right = (
        x_HW.flatten().cpu().numpy() for x_HW in (bins_HW, confidence_HW, prediction_HW == target_HW)
    )
    return Reliability(
        np.bincount(bins, minlength=num_bins + 1)[:num_bins],
        np.bincount(bins[right], minlength=num_bins + 1)[:num_bins],
        # numpy's annotation knows counts only, not sums of weights.
        np.bincount(bins, weights=confidence, minlength=num_bins + 1)[:num_bins].astype(np.float64),
    )
