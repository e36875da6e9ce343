"""The confusion matrix and every score derived from it.

Rows are targets, columns predictions. Counts are integers, so sums over images and workers are exact and independent
of order. Void pixels of the target are not counted, as in the release's compute_test_results.m.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Counts, Floats

if TYPE_CHECKING:  # the registry reads scores, and starts in half the time without torch
    from torch import Tensor


def confusion_matrix(prediction: "Tensor", target: "Tensor", num_classes: int) -> "Tensor":
    """Return how many pixels of each class were predicted as each class.

    Args:
        prediction: any shape, integer, 0..C-1.
        target: the same shape, integer; 0..C-1, or C for void, whose pixels are left out.
        num_classes: C.

    Returns:
        (C, C) int64 on the inputs' device: element [t, p] counts pixels of class t predicted as p.

    Raises:
        ValueError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"expected prediction and target of the same shape, got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    # An extra row, dropped below, collects the void targets.
    cells = target.reshape(-1).long() * num_classes + prediction.reshape(-1).long()
    counts = cells.new_zeros((num_classes + 1) * num_classes)
    counts.scatter_add_(0, cells, counts.new_ones(1).expand(len(cells)))  # a GPU is waited for by bincount
    return counts.reshape(num_classes + 1, num_classes)[:num_classes]


@dataclass(frozen=True)
class Scores:
    """Scores of a confusion matrix, fractions in [0, 1].

    The paper's G, C and mIoU (arXiv 1511.00561, Sec. 4.1), pooled over all pixels of the data set. A class that does
    not occur has NaN and is left out of the mean; `counted_classes` is the number of classes that mIoU averages. The
    release's compute_test_results.m gives such a class 0 and divides by all C: where the target has every class, as
    CamVid's test split does, the two agree.

    TP, FP and FN are a class's true positive, false positive and false negative pixels.
    """

    global_accuracy: float
    """G: fraction of labelled pixels predicted correctly."""
    class_accuracy: float
    """C: mean accuracy of the classes in the target; NaN where there is none."""
    miou: float
    """Mean over the classes, in target or prediction, of intersection over union; NaN where there is none."""
    frequency_weighted_iou: float
    """Sum of t_c IoU_c / sum of t_c, where t_c = TP + FN are a class's target pixels (Long et al., arXiv 1411.4038,
    Sec. 5); NaN where the target is all void."""
    dice: float
    """Mean over the classes, in target or prediction, of Dice; NaN where there is none."""
    class_accuracies: Floats
    """(C,) TP / (TP + FN) of each class; NaN where the target lacks it."""
    class_ious: Floats
    """(C,) TP / (TP + FP + FN) of each class; NaN where both target and prediction lack it."""
    class_dices: Floats
    """(C,) 2 TP / (2 TP + FP + FN) of each class, its F1 over pixels (Dice, Ecology 26(3), 1945); NaN where both target
    and prediction lack it."""

    @property
    def counted_classes(self) -> int:
        """Return the number of classes that mIoU averages."""
        return int(np.isfinite(self.class_ious).sum())

    def named(self, split: str, names: Sequence[str]) -> dict[str, float]:
        """Return the scores as metrics: <split>/miou, <split>/iou/<class> and so on."""
        return {
            f"{split}/miou": self.miou,
            f"{split}/class_accuracy": self.class_accuracy,
            f"{split}/global_accuracy": self.global_accuracy,
            **{f"{split}/iou/{name}": float(iou) for name, iou in zip(names, self.class_ious, strict=True)},
        }

    def named_in_full(self, split: str, names: Sequence[str]) -> dict[str, float]:
        """Return `named` plus <split>/dice, <split>/accuracy/<class> and so on: too many to log every epoch."""
        return {
            **self.named(split, names),
            f"{split}/frequency_weighted_iou": self.frequency_weighted_iou,
            f"{split}/dice": self.dice,
            **{f"{split}/accuracy/{name}": float(a) for name, a in zip(names, self.class_accuracies, strict=True)},
            **{f"{split}/dice/{name}": float(dice) for name, dice in zip(names, self.class_dices, strict=True)},
        }


def scores(confusion_CC: Counts) -> Scores:
    """Return the scores of a (C, C) int64 confusion matrix.

    Example:
        >>> s = scores(np.array([[3, 1], [0, 4]]))
        >>> s.global_accuracy, s.class_accuracy, s.class_ious.tolist()
        (0.875, 0.875, [0.75, 0.8])
    """
    hits_C = np.diagonal(confusion_CC)
    targets_C = confusion_CC.sum(axis=1)
    predictions_C = confusion_CC.sum(axis=0)
    accuracy_C = ratio(hits_C, targets_C)
    iou_C = ratio(hits_C, targets_C + predictions_C - hits_C)
    dice_C = ratio(2 * hits_C, targets_C + predictions_C)
    return Scores(
        global_accuracy=float(ratio(hits_C.sum(), targets_C.sum())),
        class_accuracy=float(mean_of_known(accuracy_C)),
        miou=float(mean_of_known(iou_C)),
        frequency_weighted_iou=float(ratio(np.nansum(targets_C * iou_C), targets_C.sum())),
        dice=float(mean_of_known(dice_C)),
        class_accuracies=accuracy_C,
        class_ious=iou_C,
        class_dices=dice_C,
    )


def ratio(part: npt.ArrayLike, total: npt.ArrayLike) -> Floats:
    """Return part / total, float64 of their shape; NaN where the total is 0."""
    total = np.asarray(total, np.float64)
    quotient: Floats = np.divide(part, total, out=np.full(total.shape, np.nan), where=total > 0)
    return quotient


def mean_of_known(values: Floats) -> Floats:
    """Return the mean of the values that are not NaN, over the last axis; NaN where all are."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))
