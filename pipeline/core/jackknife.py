"""By how much one model exceeds another, and how sure that is: t intervals from the jackknife over blocks of images.

A gain's standard error comes from the gains without one block of images each (delete-one jackknife: Efron and
Stein, Ann. Stat. 9(3), 1981; with clusters it is the variance estimate CR3 of Bell and McCaffrey, Survey Methodology
28(2), 2002):

    error^2 = (K - 1) / K  sum_k (gain without block k - their mean)^2  (1 + rho) / (1 - rho)

The last factor is what an autoregressive correlation rho of neighbouring blocks adds to the variance of their mean
(Bayley and Hammersley, J. R. Stat. Soc. Suppl. 8(2), 1946; with t: Zwiers and von Storch, J. Climate 8, 1995). rho is
what these gains show, corrected for its bias (Marriott and Pope, Biometrika 41, 1954), but at least `CORRELATION`: from
some 20 blocks, a correlation of that size is estimated too badly to be relied on. An interval is estimate +- t error
with the t quantile of K - 1 degrees of freedom.

How often such an interval misleads was simulated: docs/decisions/register.md has the table, benchmarks/coverage.py the
simulation.

Shape suffixes: N images, C classes, K blocks, X scores.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from pipeline.core import tallies
from pipeline.core.arrays import Counts, Floats
from pipeline.core.bootstrap import Difference
from pipeline.core.metrics import ratio

MIN_BLOCKS = 15
"""With fewer there are no intervals: the rates are simulated, and promised, from here on."""
CORRELATION = 0.3
"""Of neighbouring blocks, for which every interval allows."""
_MAX_CORRELATION = 0.99  # beyond it, the factor is infinite


@dataclass(frozen=True)
class Gain:
    """The challenger's score minus the champion's."""

    estimate: float
    error: float
    """Its standard error; NaN if a single block shows it."""
    num_blocks: int
    """Blocks of images that it depends on: K."""

    def interval(self, level: float) -> Difference:
        """Return its interval; bounds and confidence are NaN with fewer than `MIN_BLOCKS` blocks.

        Args:
            level: the fraction of such intervals that contain the true gain, in (0, 1).
        """
        if self.num_blocks < MIN_BLOCKS:
            return Difference(self.estimate, nan, nan, nan)
        freedom = self.num_blocks - 1
        margin = float(stdtrit(freedom, (1 + level) / 2)) * self.error
        better = float(stdtr(freedom, self.estimate / self.error)) if self.error else float(self.estimate > 0)
        return Difference(self.estimate, self.estimate - margin, self.estimate + margin, better)


@dataclass(frozen=True)
class Gains:
    """By how much the challenger's scores exceed the champion's."""

    miou: Gain
    class_ious: tuple[Gain, ...]
    """One for each of the C classes."""


def paired_gains(challenger_NCC: Counts, champion_NCC: Counts, blocks_N: Counts) -> Gains:
    """Return by how much the challenger exceeds the champion in mIoU and in each class's IoU, on the same images.

    Models with equal predictions differ by exactly 0, with no error. A class's gain depends on the blocks in which the
    masks or a model show it.

    Args:
        challenger_NCC: (N, C, C) int64, the confusion matrix of each image.
        champion_NCC: the same, of the same images.
        blocks_N: (N,) integer, the block of each image, numbered in order, as from bootstrap.blocks.

    Raises:
        ValueError: the counts have another shape or dtype, or the two differ in target pixels.
    """
    tallies.check_pair(challenger_NCC, champion_NCC, len(blocks_N))
    ours_KX, theirs_KX = (
        tallies.block_sums(tallies.tally(counts_NCC), blocks_N) for counts_NCC in (challenger_NCC, champion_NCC)
    )
    ours_X, theirs_X = ours_KX.sum(axis=0), theirs_KX.sum(axis=0)
    (gains_X,) = tallies.scores(ours_X[None]) - tallies.scores(theirs_X[None])
    without_KX = tallies.scores(ours_X - ours_KX) - tallies.scores(theirs_X - theirs_KX)
    _, targets_KC, predictions_KC = np.split(ours_KX + theirs_KX, 3, axis=1)
    shown_KC = targets_KC + predictions_KC > 0
    is_any_K = shown_KC.any(axis=1)
    _, _, miou, *ious = zip(gains_X, without_KX.T, (is_any_K, is_any_K, is_any_K, *shown_KC.T), strict=True)
    return Gains(_gain(*miou), tuple(_gain(*iou) for iou in ious))


def standard_errors(without_KX: Floats) -> Floats:
    """Return the standard error of each score, (X,), given it without one block each, (K, X), blocks in order.

    Example, a mean of 16 values with no correlation beyond the one that is allowed for:
        >>> values = np.array([[1.0, 1.0, 0.0, 0.0] * 4]).T
        >>> without = (values.sum() - values) / 15
        >>> round(standard_errors(without).item(), 6) == round((0.25 / 15 * 1.3 / 0.7) ** 0.5, 6)
        True
    """
    num_blocks = len(without_KX)
    deviations_KX = without_KX - without_KX.mean(axis=0)
    squares_X = (deviations_KX**2).sum(axis=0)
    estimated_X = np.nan_to_num(ratio((deviations_KX[1:] * deviations_KX[:-1]).sum(axis=0), squares_X))
    rho_X = np.clip(estimated_X + (1 + 3 * estimated_X) / num_blocks, CORRELATION, _MAX_CORRELATION)
    errors_X: Floats = np.sqrt((num_blocks - 1) / num_blocks * squares_X * (1 + rho_X) / (1 - rho_X))
    return errors_X


def _gain(estimate: float, without_K: Floats, shown_K: npt.NDArray[np.bool_]) -> Gain:
    """Return a score's gain, given those without each block, of which the blocks count that show its class."""
    without_K = without_K[shown_K]
    error = standard_errors(without_K[:, None]).item() if len(without_K) > 1 else nan
    return Gain(float(estimate), error, len(without_K))
