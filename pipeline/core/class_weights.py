"""Class weights for the loss, from the pixel counts of the training tiles."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Weighting = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]


def none(pixels_TC: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return weight 1 for each class.

    Args:
        pixels_TC: (T, C + 1) int64, number of pixels of each class, then of void, in each of T tiles.

    Returns:
        (C,) float64.
    """
    return np.ones(pixels_TC.shape[1] - 1)


def median_frequency(pixels_TC: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return w_c = median(f) / f_c, where f_c = pixels of class c / all pixels of the tiles that show class c.

    Eigen and Fergus, arXiv 1411.4734, Sec. 5.3.2; used by SegNet, arXiv 1511.00561, Sec. 4.1. The median is over the
    classes that occur; void is not a class. A class without pixels gets weight 0: the loss never meets it.

    Args:
        pixels_TC: (T, C + 1) int64, number of pixels of each class, then of void, in each of T tiles.

    Returns:
        (C,) float64.

    Raises:
        ValueError: no tile has a labelled pixel.

    Example:
        Class 0 fills one tile; class 1 has 1 of 4 pixels in the only tile that shows it. f = (1, 1/4) over their
        tiles (4 + 3 of 8, 1 of 4) = (7/8, 1/4), median 9/16.

        >>> median_frequency(np.array([[4, 0, 0], [3, 1, 0]])).tolist()
        [0.6428571428571429, 2.25]
    """
    per_class = pixels_TC[:, :-1]
    pixels_C = per_class.sum(axis=0)
    if not pixels_C.any():
        raise ValueError("expected labelled pixels in the training tiles, got only void; check masks and tile size")
    shown_C = ((per_class > 0) * pixels_TC.sum(axis=1, keepdims=True)).sum(axis=0)
    occurs = pixels_C > 0
    frequency = pixels_C[occurs] / shown_C[occurs]
    weights = np.zeros(len(pixels_C))
    weights[occurs] = np.median(frequency) / frequency
    return weights


def root_median_frequency(pixels_TC: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the square roots of the weights of `median_frequency`: halfway to full balance.

    Rare classes count for more than their share of the pixels, but do not outweigh the common ones as they do with
    median-frequency balancing.

    Args:
        pixels_TC: (T, C + 1) int64, number of pixels of each class, then of void, in each of T tiles.

    Returns:
        (C,) float64.

    Raises:
        ValueError: no tile has a labelled pixel.
    """
    return np.sqrt(median_frequency(pixels_TC))


WEIGHTINGS: dict[str, Weighting] = {
    "none": none,
    "root_median_frequency": root_median_frequency,
    "median_frequency": median_frequency,
}
