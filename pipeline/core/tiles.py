"""The tile grid: where an image is cut into tiles or windows, and how overlapping windows are weighted."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Pixels


def origins(length: int, side: int, stride: int) -> range:
    """Return where tiles of `side` start along an axis of `length` pixels, so that they cover it.

    The last tile may extend beyond the end; its pixels there are padding.

    Example:
        >>> list(origins(10, 4, 3)), list(origins(4, 4, 3)), list(origins(3, 4, 3)), list(origins(11, 4, 3))
        ([0, 3, 6], [0], [0], [0, 3, 6, 9])
    """
    steps = max(0, -((side - length) // stride))
    return range(0, steps * stride + 1, stride)


def grid(size: tuple[int, int], tile: tuple[int, int], stride: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the (top, left) of each tile of an image, row by row; sizes and strides are (height, width) in pixels."""
    for top in origins(size[0], tile[0], stride[0]):
        for left in origins(size[1], tile[1], stride[1]):
            yield top, left


def cut(pixels: Pixels, top: int, left: int, tile: tuple[int, int], fill: int) -> Pixels:
    """Return the tile of an image (H, W, ...) uint8 at (top, left), padded with `fill` beyond the image's edge."""
    part = pixels[top : top + tile[0], left : left + tile[1]]
    if part.shape[:2] == tile:
        return part
    padded = np.full((*tile, *pixels.shape[2:]), fill, np.uint8)
    padded[: part.shape[0], : part.shape[1]] = part
    return padded


def windows(size: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the (top, left) of windows that cover an image and lie inside it, if it is large enough for one.

    Like `grid`, but the last window along an axis is moved back to end with the image: prediction needs no padding.
    """
    for top, left in grid(size, window, stride):
        yield max(0, min(top, size[0] - window[0])), max(0, min(left, size[1] - window[1]))


def gaussian_weight(window: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return the weight of each pixel of a window where windows overlap, (h, w) float32 in (0, 1].

    A Gaussian around the window's centre, where there is most context, with a standard deviation of an eighth of each
    side (Isensee et al., nnU-Net, 1904.08128, Sec. 3.3). It is at least 1e-3, so that a corner pixel covered by a
    single window is still defined.
    """
    axes = []
    for side in window:
        place = (np.arange(side) - (side - 1) / 2) / (side / 8)
        axes.append(np.exp(-0.5 * place**2))
    weight: npt.NDArray[np.float32] = np.maximum(np.outer(axes[0], axes[1]), 1e-3).astype(np.float32)
    return weight
