"""How much a score would vary with other test images: confidence intervals by resampling clusters of images.

Images of one sequence resemble each other, so resampling single images would give intervals that are too narrow.
Instead, whole clusters are drawn with replacement, as many as there are (cluster bootstrap: Field and Welsh, J. R.
Stat. Soc. B 69(3), 2007), and the score is computed from the pooled counts of all images drawn. An interval is the
percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, Ch. 13): the (1 - level) / 2 and
(1 + level) / 2 quantiles of the score over the resamples. It needs many clusters: with only one, every resample is
the test set itself, and the interval has zero width and no meaning.

A score can be undefined in a resample, such as the IoU of a class that none of its images shows. A class's interval
covers the resamples that define it; mIoU and C average the classes that a resample defines; others are NaN.

Shape suffixes: N images, C classes, K clusters, R resamples, r of them at a time, X columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core import frames, tallies
from pipeline.core.arrays import Counts, Floats
from pipeline.core.metrics import ratio

_CELLS_AT_A_TIME = 1 << 20  # of the (r, K) matrices of draws: 8 MiB each


@dataclass(frozen=True)
class Resampling:
    """How images are resampled; equal settings give equal resamples, whatever is scored on them."""

    clusters: Counts
    """(N,) integer: the cluster of each image, as from `blocks`."""
    resamples: int
    """R."""
    level: float
    """Fraction of the resamples that an interval covers, in (0, 1), such as 0.95."""
    seed: int

    def __post_init__(self) -> None:
        """Raise ValueError unless there are images and resamples, and the level is in range."""
        if self.clusters.ndim != 1 or not self.clusters.size:
            raise ValueError(
                f"expected clusters (N,) of one or more images, got shape {self.clusters.shape}; "
                "number them with blocks()"
            )
        if self.resamples < 1 or not 0 < self.level < 1:
            raise ValueError(
                f"expected at least one resample and a level between 0 and 1, got {self.resamples} and {self.level}; "
                "common values are 10000 and 0.95"
            )


@dataclass(frozen=True)
class Interval:
    """A score of the test set, and the bounds of its interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """The challenger's score minus the champion's."""

    better: float
    """Confidence that it is above 0, in [0, 1]: the fraction of the resamples in which it is, where a tie does not
    count; of a t interval, one minus the one-sided p value."""


@dataclass(frozen=True)
class ScoreIntervals:
    """Intervals of the scores in metrics.Scores."""

    global_accuracy: Interval
    class_accuracy: Interval
    miou: Interval
    class_ious: tuple[Interval, ...]
    """One for each of the C classes."""


@dataclass(frozen=True)
class ScoreDifferences:
    """By how much the challenger's scores exceed the champion's."""

    miou: Difference
    class_ious: tuple[Difference, ...]
    """One for each of the C classes."""


def blocks(sequences: Sequence[str], ids: Sequence[str], images_per_block: int) -> Counts:
    """Return the cluster of each image: a run of consecutive images of one sequence.

    A few long sequences, such as the two of CamVid's test split, are too few clusters, so each is cut into blocks,
    which are resampled as if independent (block bootstrap with disjoint blocks: Carlstein, Ann. Stat. 14(3), 1986;
    overlapping ones: Künsch, Ann. Stat. 17(3), 1989). That is about true if blocks are longer than the stretch over
    which images resemble each other.

    Args:
        sequences: name of each image's sequence.
        ids: name of each image, which tells the order in time of those of a sequence (frames.py).
        images_per_block: the longest run; a sequence gets as few runs as that allows, with lengths that differ by at
            most one.

    Returns:
        (N,) int64, 0..K-1, numbered by sequence name and then by time.

    Raises:
        ValueError: `images_per_block` is not positive, or there is not one id for each image.

    Example:
        >>> blocks(["a", "a", "a", "a", "a", "b"], ["1", "10", "2", "3", "4", "1"], 2).tolist()
        [0, 2, 0, 1, 1, 3]
    """
    if images_per_block < 1:
        raise ValueError(f"expected at least one image per block, got {images_per_block}; 1 resamples single images")
    images_by_sequence: dict[str, list[int]] = {}
    for image, (sequence, _) in enumerate(zip(sequences, ids, strict=True)):
        images_by_sequence.setdefault(sequence, []).append(image)
    blocks_N = np.empty(len(ids), np.int64)
    first = 0
    for _, images in sorted(images_by_sequence.items()):
        images_T = np.asarray(images)[frames.in_time([ids[image] for image in images])]
        runs = -(-len(images) // images_per_block)
        blocks_N[images_T] = first + np.arange(len(images)) * runs // len(images)
        first += runs
    return blocks_N


def intervals(counts_NCC: Counts, resampling: Resampling) -> ScoreIntervals:
    """Return the intervals of G, C, mIoU and each class's IoU.

    Args:
        counts_NCC: (N, C, C) int64, the confusion matrix of each image.
        resampling: of the N images.

    Raises:
        ValueError: the counts have another shape or dtype.
    """
    tallies.check(counts_NCC, len(resampling.clusters))
    scores_RX = tallies.scores(_resampled(tallies.tally(counts_NCC), resampling))
    overall, accuracy, miou, *ious = (_interval(scores_R, resampling.level) for scores_R in scores_RX.T)
    return ScoreIntervals(overall, accuracy, miou, tuple(ious))


def paired_difference(challenger_NCC: Counts, champion_NCC: Counts, resampling: Resampling) -> ScoreDifferences:
    """Return by how much the challenger exceeds the champion in mIoU and in each class's IoU, on the same images.

    Both are scored on the same resamples, so difficulties of an image that both models share cancel out. Models with
    equal predictions differ by exactly 0.

    Args:
        challenger_NCC: (N, C, C) int64, the confusion matrix of each image.
        champion_NCC: the same, of the same images.
        resampling: of the N images.

    Raises:
        ValueError: the counts have another shape or dtype, or the two differ in target pixels.
    """
    tallies.check_pair(challenger_NCC, champion_NCC, len(resampling.clusters))
    tallies_NX = np.concatenate([tallies.tally(challenger_NCC), tallies.tally(champion_NCC)], axis=1)
    challenger_RX, champion_RX = np.split(_resampled(tallies_NX, resampling), 2, axis=1)
    gains_RX = tallies.scores(challenger_RX) - tallies.scores(champion_RX)
    _, _, miou, *ious = (_difference(gains_R, resampling.level) for gains_R in gains_RX.T)
    return ScoreDifferences(miou, tuple(ious))


def mean_intervals(values_NX: Floats, resampling: Resampling) -> tuple[Interval, ...]:
    """Return the interval of each column's mean over the images, such as that of the boundary F1.

    Args:
        values_NX: (N, X) floating point, the scores of each image; NaN (undefined) is left out of the mean.
        resampling: of the N images.

    Raises:
        ValueError: the values have another shape.
    """
    images = len(resampling.clusters)
    if values_NX.ndim != 2 or len(values_NX) != images:
        raise ValueError(
            f"expected scores ({images} images, columns), got shape {values_NX.shape}; "
            "pass the clusters of these images, and add an axis to a single column"
        )
    known_NX = ~np.isnan(values_NX)
    columns_NX = np.concatenate([np.where(known_NX, values_NX, 0), known_NX], axis=1)
    totals_RX, known_RX = np.split(_resampled(columns_NX, resampling), 2, axis=1)
    return tuple(_interval(means_R, resampling.level) for means_R in ratio(totals_RX, known_RX).T)


def _resampled(values_NX: npt.NDArray[np.number], resampling: Resampling) -> Floats:
    """Return each column's sum over all images, then its sum over each resample, (1 + R, X) float64.

    A resample's sum is the sum over clusters, each multiplied by how often it was drawn: a matrix product, exact for
    counts below 2^53. The i-th resample consists of the clusters generator.integers(K, size=K).
    """
    sums_KX = tallies.block_sums(values_NX, resampling.clusters)
    num_clusters = len(sums_KX)
    generator = np.random.default_rng(resampling.seed)
    sums_RX = np.empty((1 + resampling.resamples, values_NX.shape[1]))
    sums_RX[0] = sums_KX.sum(axis=0)
    at_a_time = max(1, _CELLS_AT_A_TIME // num_clusters)
    for first in range(1, len(sums_RX), at_a_time):
        part_rX = sums_RX[first : first + at_a_time]
        drawn_rK = generator.integers(num_clusters, size=(len(part_rX), num_clusters))
        cells_rK = drawn_rK + np.arange(len(part_rX))[:, None] * num_clusters
        times_rK = np.bincount(cells_rK.ravel(), minlength=cells_rK.size).reshape(cells_rK.shape)
        part_rX[:] = times_rK.astype(np.float64) @ sums_KX
    return sums_RX


def _interval(scores_R: Floats, level: float) -> Interval:
    """Return the interval of a score, given its estimate followed by its value in each resample."""
    known = scores_R[1:][~np.isnan(scores_R[1:])]
    bounds = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (np.nan, np.nan)
    return Interval(float(scores_R[0]), float(bounds[0]), float(bounds[1]))


def _difference(gains_R: Floats, level: float) -> Difference:
    known = gains_R[1:][~np.isnan(gains_R[1:])]
    interval = _interval(gains_R, level)
    return Difference(interval.estimate, interval.low, interval.high, float(ratio((known > 0).sum(), len(known))))
