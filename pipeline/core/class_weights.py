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
    pixels_C = _labelled(pixels_TC)
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


def enet(pixels_TC: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return w_c = 1 / ln(1.02 + p_c), where p_c is the share of class c in the labelled pixels: from 1.4 to 50.

    Paszke et al., ENet, 1606.02147, Sec. 5.2. A class without pixels gets weight 0: the loss never meets it.

    Args:
        pixels_TC: (T, C + 1) int64, number of pixels of each class, then of void, in each of T tiles.

    Returns:
        (C,) float64.

    Raises:
        ValueError: no tile has a labelled pixel.
    """
    share_C = _shares(pixels_TC)
    return np.where(share_C > 0, 1 / np.log(1.02 + share_C), 0)


def effective_number(pixels_TC: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return w_c = (1 - b) / (1 - b^n_c), scaled to a mean of 1 over the classes that occur.

    Cui et al., 1901.05555, Eq. 2 and Sec. 4: n_c pixels of class c are worth (1 - b^n_c) / (1 - b), where b is
    (N - 1) / N for a volume N, here the number of labelled pixels. So a class of share p_c weighs about
    1 / (1 - e^-p_c): the inverse of a small share, and up to 1.6 times that of a large one. A class without pixels gets
    weight 0: the loss never meets it.

    Args:
        pixels_TC: (T, C + 1) int64, number of pixels of each class, then of void, in each of T tiles.

    Returns:
        (C,) float64.

    Raises:
        ValueError: no tile has a labelled pixel.
    """
    share_C = _shares(pixels_TC)
    number = float(pixels_TC[:, :-1].sum())
    occurs = share_C > 0
    weights = np.zeros(len(share_C))
    # b^n = e^(n ln b); as a difference from 1, since both are nearly 1.
    weights[occurs] = 1 if number == 1 else -1 / np.expm1(share_C[occurs] * number * np.log1p(-1 / number))
    weights /= weights[occurs].mean()
    return weights


def _shares(pixels_TC: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return each class's share in the labelled pixels, (C,) float64."""
    pixels_C = _labelled(pixels_TC)
    return np.asarray(pixels_C / pixels_C.sum())


def _labelled(pixels_TC: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of pixels of each class, (C,) int64.

    Raises:
        ValueError: there are none.
    """
    pixels_C: npt.NDArray[np.int64] = pixels_TC[:, :-1].sum(axis=0)
    if not pixels_C.any():
        raise ValueError("expected labelled pixels in the training tiles, got only void; check masks and tile size")
    return pixels_C


WEIGHTINGS: dict[str, Weighting] = {
    "none": none,
    "enet": enet,
    "effective_number": effective_number,
    "root_median_frequency": root_median_frequency,
    "median_frequency": median_frequency,
}
