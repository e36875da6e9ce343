"""Positions of the marks in the evaluation page's chart of reliability; the template draws them."""

from dataclasses import dataclass

import numpy as np

from pipeline.core.calibration import Reliability
from pipeline.files.charts import Dot, Tick, x, y

_SHARES = 60  # height of the tallest of the bars that show each bin's share of the pixels


@dataclass(frozen=True)
class Bin:
    """A confidence bin, `left` to `left + width`: its dot, and its bar of height `share_height`."""

    dot: Dot
    sure_y: float
    """Where the dot would lie if accuracy equalled confidence."""
    left: float
    width: float
    share_height: float


def bins(counts: Reliability) -> tuple[Bin, ...]:
    """Return the bins that have pixels, over axes of confidence and accuracy from 0 to 1."""
    num_bins, total = len(counts.pixels), counts.pixels.sum()
    shares = counts.pixels / max(total, 1)
    drawn = []
    for b in np.flatnonzero(counts.pixels).tolist():
        confidence, accuracy = float(counts.confidences[b]), float(counts.accuracies[b])
        text = (
            f"confidence {b / num_bins:.0%} to {(b + 1) / num_bins:.0%}: mean confidence {confidence:.1%}, accuracy "
            f"{accuracy:.1%}; {shares[b]:.1%} of the pixels"
        )
        left = x(b / num_bins)
        width = round(x((b + 1) / num_bins) - left, 2)
        height = round(float(_SHARES * shares[b] / shares.max()), 2)
        drawn.append(Bin(Dot(x(confidence), y(accuracy), text), y(confidence), left, width, height))
    return tuple(drawn)


def fractions() -> tuple[tuple[Tick, ...], tuple[Tick, ...]]:
    """Return the ticks of two axes from 0 to 1."""
    values = (0, 0.2, 0.4, 0.6, 0.8, 1)
    return tuple(Tick(x(v), f"{v:.0%}") for v in values), tuple(Tick(y(v), f"{v:.0%}") for v in values)
