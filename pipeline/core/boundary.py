"""The boundary F1 measure (BF): how well predicted class boundaries match those of the ground truth.

Defined by Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013, and
used by SegNet (Badrinarayanan et al., arXiv 1511.00561, Sec. 4.1). SegNet's release finds and pairs boundary pixels
with the Berkeley benchmark's seg2bdry and correspondPixels (Martin, Fowlkes and Malik, PAMI 2004; BSDS500); so do we.

Each image is counted once, in integers (`counts`); every score is derived from these counts (`scores`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow
from scipy.spatial import KDTree

from pipeline.core.arrays import Counts, Floats, Pixels
from pipeline.core.metrics import ratio

Mask = npt.NDArray[np.bool_]

TOLERANCE = 0.0075  # of the image's diagonal: 4.5 pixels at 360 x 480 (arXiv 1511.00561, Sec. 4.1)

COLUMNS = ("matched", "prediction_near", "target_near", "prediction", "target")
"""What `counts` counts, in pixels: `prediction` and `target` are the boundary pixels of each; `matched` of them are
paired one to one; the `near` ones lie within the tolerance of some boundary pixel of the other mask."""


def boundary_pixels(mask_HW: Mask) -> Mask:
    """Return the boundary of a region by the 2 x 2 rule of BSDS's seg2bdry.

    Pixel (i, j) is boundary where the block (i, j), (i+1, j), (i, j+1), (i+1, j+1) is not uniform. Nothing is compared
    beyond the image: its border is not a boundary, and its last pixel never is one.

    Args:
        mask_HW: (H, W) bool, the region.

    Returns:
        (H, W) bool.

    Example:
        >>> boundary_pixels(np.array([[0, 0, 0], [0, 0, 0], [0, 1, 1]], bool)).astype(int).tolist()
        [[0, 0, 0], [1, 1, 1], [1, 0, 0]]
    """
    boundary_HW = np.zeros_like(mask_HW)
    boundary_HW[:-1] |= mask_HW[:-1] != mask_HW[1:]
    boundary_HW[:, :-1] |= mask_HW[:, :-1] != mask_HW[:, 1:]
    boundary_HW[:-1, :-1] |= mask_HW[:-1, :-1] != mask_HW[1:, 1:]
    return boundary_HW


def counts(prediction_HW: Pixels, target_HW: Pixels, num_classes: int, *, tolerance: float = TOLERANCE) -> Counts:
    """Return how many boundary pixels of each class one image has, and how many of them agree.

    Void pixels of the target belong to no class, so classes have a boundary with void; the prediction is compared
    there as everywhere else, as in the release's script.

    Args:
        prediction_HW: (H, W) uint8, 0..C-1.
        target_HW: (H, W) uint8, 0..C-1, or C for void.
        num_classes: C.
        tolerance: largest distance (inclusive) between two pixels that agree, as a fraction of the image's diagonal.

    Returns:
        (C, 5) int64, the columns named in COLUMNS. A class without a boundary has zeros.

    Raises:
        ValueError: the masks are not two-dimensional and of the same shape, or the tolerance is negative.
    """
    if prediction_HW.ndim != 2 or prediction_HW.shape != target_HW.shape:
        raise ValueError(
            f"expected prediction and target (H, W) of the same shape, got {prediction_HW.shape} and {target_HW.shape}"
        )
    if not tolerance >= 0:
        raise ValueError(f"expected a tolerance >= 0, a fraction of the image's diagonal, got {tolerance}")
    reach = tolerance * float(np.hypot(*target_HW.shape))  # pixels
    return np.array([_count(prediction_HW == c, target_HW == c, reach) for c in range(num_classes)], np.int64)


def _count(prediction_HW: Mask, target_HW: Mask, reach: float) -> tuple[int, ...]:
    """Return COLUMNS for the regions of one class; `reach` is the tolerance in pixels."""
    prediction_P2 = np.argwhere(boundary_pixels(prediction_HW))
    target_T2 = np.argwhere(boundary_pixels(target_HW))
    # A k-d tree visits only the pairs; trying every place within reach would cost reach^2 per pixel.
    pairs = KDTree(prediction_P2).sparse_distance_matrix(KDTree(target_T2), reach, output_type="ndarray")
    p, t = pairs["i"], pairs["j"]
    sizes = len(prediction_P2), len(target_T2)
    return _num_matched(p, t, sizes), _num_different(p, sizes[0]), _num_different(t, sizes[1]), *sizes


def _num_different(numbers: Counts, end: int) -> int:
    """Return how many different numbers there are, of those from 0 up to `end`."""
    is_there = np.zeros(end, np.bool_)  # a third of the time that np.unique takes
    is_there[numbers] = True
    return int(is_there.sum())


def _num_matched(p: Counts, t: Counts, sizes: tuple[int, int]) -> int:
    """Return the size of a maximum one-to-one matching of predicted and true boundary pixels.

    It is the maximum flow from a source through each predicted pixel, each pair, and each true pixel to a sink, where
    every capacity is 1. Dinic's algorithm finds it in milliseconds; scipy's maximum_bipartite_matching can take
    minutes.

    correspondPixels solves an assignment problem instead. Its n predicted and m true pixels get m and n outliers as
    additional partners. A pair costs its distance, at most the tolerance d; any match with or between outliers costs
    100 d. With k pairs there are n + m - k of those, so one more pair saves 100 d. It therefore finds as many pairs, or
    hardly fewer:

        Let M be an assignment of least cost, and let a maximum matching have s more pairs. Then M has s augmenting
        paths without a common pixel (Berge 1957). Each adds l pairs, of at most d, and removes l - 1, which changes
        the cost by at most l d - 100 d. M has the least cost, so l >= 100: M holds at least 99 pairs on each path, and
        99 s <= |M|.

    So s = 0 where fewer than 99 pixels are matched; elsewhere the maximum exceeds |M| by at most |M| / 99. It does
    exceed it where such long paths exist: let a thin bar of more than 100 d (450 pixels at 360 x 480) move lengthwise
    by up to d. The assignment pairs the pixels that still coincide and omits both ends; a maximum matching shifts them
    all. On twelve CamVid masks against five shifted, smoothed or enlarged copies of each, the two did not differ
    (798,367 pairs). correspondPixels links a pixel to only six outliers, drawn at random, which may cost a few pairs.

    Args:
        p: (K,) int64, the predicted pixel of each pair within the tolerance.
        t: (K,) int64, the true pixel of each.
        sizes: how many predicted and true pixels there are.
    """
    first_p, first_t, sink = 1, 1 + sizes[0], 1 + sum(sizes)  # nodes: the source, predicted, true, the sink
    every_p, every_t = np.arange(first_p, first_t), np.arange(first_t, sink)
    tails = np.concatenate([np.zeros_like(every_p), first_p + p, every_t])
    heads = np.concatenate([every_p, first_t + t, np.full_like(every_t, sink)])
    capacities = csr_array((np.ones(len(tails), np.int32), (tails, heads)), shape=(sink + 1, sink + 1))
    return int(maximum_flow(capacities, 0, sink, method="dinic").flow_value)


def one_to_one_f1(counts_NC5: Counts) -> Floats:
    """Return the F1 of boundary pixels paired one to one, as in SegNet: 2PR / (P + R).

    With precision P = matched / prediction and recall R = matched / target it is 2 matched / (prediction + target).

    Args:
        counts_NC5: (..., C, 5) int64, from `counts`.

    Returns:
        (..., C) float64 in [0, 1]; 0 where only one mask has a boundary, NaN where neither has.
    """
    matched, _, _, prediction, target = np.moveaxis(counts_NC5, -1, 0)
    return ratio(2 * matched, prediction + target)


def one_to_many_f1(counts_NC5: Counts) -> Floats:
    """Return the F1 of boundary pixels near the other boundary, as in Csurka et al.: 2PR / (P + R).

    Here precision P = prediction_near / prediction and recall R = target_near / target. One pixel may be near many, so
    this is never below `one_to_one_f1`.

    Args:
        counts_NC5: (..., C, 5) int64, from `counts`.

    Returns:
        (..., C) float64 in [0, 1]; 0 where only one mask has a boundary, NaN where neither has.
    """
    _, prediction_near, target_near, prediction, target = np.moveaxis(counts_NC5, -1, 0)
    f1_NC = ratio(2 * prediction_near * target_near, prediction_near * target + target_near * prediction)
    f1_NC[(prediction_near == 0) & (prediction + target > 0)] = 0  # P = R = 0
    return f1_NC


def in_target(counts_NC5: Counts) -> Mask:
    """Return whether a class has a boundary in the target, (..., C) bool: the classes that the paper's text counts."""
    return counts_NC5[..., COLUMNS.index("target")] > 0


def in_target_or_prediction(counts_NC5: Counts) -> Mask:
    """Return whether a class has a boundary in either, (..., C) bool: the classes that the release's script counts.

    A class that is only predicted then counts with F1 = 0.
    """
    _, _, _, prediction, target = np.moveaxis(counts_NC5, -1, 0)
    present: Mask = prediction + target > 0
    return present


@dataclass(frozen=True)
class Scores:
    """Boundary F1 of N images, fractions in [0, 1]."""

    boundary_f1: float
    """BF: mean of the images' BF."""
    image_f1s: Floats
    """(N,) BF of each image: mean F1 of its counted classes. An image without any has 0, as in the release's script."""
    class_f1s: Floats
    """(C,) mean F1 of each class over the images that count it; NaN where none does."""


def scores(
    counts_NC5: Counts,
    *,
    f1: Callable[[Counts], Floats] = one_to_one_f1,
    counted: Callable[[Counts], Mask] = in_target,
) -> Scores:
    """Return the boundary F1 of N images (arXiv 1511.00561, Sec. 4.1).

    Args:
        counts_NC5: (N, C, 5) int64, N >= 1, from `counts`.
        f1: `one_to_one_f1` (SegNet) or `one_to_many_f1` (Csurka).
        counted: which classes enter an image's mean: `in_target` (the paper's text) or `in_target_or_prediction` (the
            release's script).
    """
    counted_NC = counted(counts_NC5)
    f1_NC = np.where(counted_NC, f1(counts_NC5), 0)
    image_N = f1_NC.sum(axis=1) / np.maximum(counted_NC.sum(axis=1), 1)
    return Scores(float(image_N.mean()), image_N, ratio(f1_NC.sum(axis=0), counted_NC.sum(axis=0)))
