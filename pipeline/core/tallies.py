"""The counts behind G, C, mIoU and IoU, which add up over images: what intervals of these scores are computed from.

Shape suffixes: N images, C classes, K blocks of images, R rows that are scored together, X columns.
"""

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Counts, Floats
from pipeline.core.metrics import mean_of_known, ratio


def check(counts_NCC: Counts, images: int) -> None:
    """Raise ValueError unless the counts are (`images`, C, C) int64."""
    num_classes = counts_NCC.shape[-1]
    if counts_NCC.shape != (images, num_classes, num_classes) or counts_NCC.dtype != np.int64:
        raise ValueError(
            f"expected counts ({images} images, classes, classes) of int64, got {counts_NCC.shape} of "
            f"{counts_NCC.dtype}; stack the confusion matrices of the images that the clusters belong to"
        )


def check_pair(challenger_NCC: Counts, champion_NCC: Counts, images: int) -> None:
    """Raise ValueError unless both are counts of `images` images with the same target pixels."""
    check(challenger_NCC, images)
    check(champion_NCC, images)
    if not np.array_equal(challenger_NCC.sum(axis=2), champion_NCC.sum(axis=2)):
        raise ValueError(
            "expected the same target pixels of each class in each image, got different ones for challenger and "
            "champion; score both on the same test images, in the same order"
        )


def tally(counts_NCC: Counts) -> Counts:
    """Return the counts behind each matrix's scores, (N, 3 C): each class's correct, target and predicted pixels."""
    hits_NC = np.diagonal(counts_NCC, axis1=1, axis2=2)
    return np.concatenate([hits_NC, counts_NCC.sum(axis=2), counts_NCC.sum(axis=1)], axis=1)


def scores(tallies_RX: Floats) -> Floats:
    """Return G, C, mIoU and each class's IoU as metrics.scores defines them, (R, 3 + C), of tallies (R, 3 C)."""
    hits_RC, targets_RC, predictions_RC = np.split(tallies_RX, 3, axis=1)
    iou_RC = ratio(hits_RC, targets_RC + predictions_RC - hits_RC)
    overall_R = ratio(hits_RC.sum(axis=1), targets_RC.sum(axis=1))
    accuracy_R = mean_of_known(ratio(hits_RC, targets_RC))
    return np.column_stack([overall_R, accuracy_R, mean_of_known(iou_RC), iou_RC])


def block_sums(values_NX: npt.NDArray[np.number], blocks_N: Counts) -> Floats:
    """Return each column's sum over each block, (K, X) float64, exact for counts below 2^53; blocks by number."""
    numbers_K, block_N = np.unique(blocks_N, return_inverse=True)
    sums_KX = np.zeros((len(numbers_K), values_NX.shape[1]))
    np.add.at(sums_KX, block_N, values_NX)
    return sums_KX
