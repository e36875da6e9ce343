"""Merging windows into a full image, one band of rows at a time: a huge image is never held in floats.

Values (K, h, w) are any K numbers per pixel, such as class probabilities.
"""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

Place = tuple[int, int]
"""(top, left), pixels."""
_MOST_ROWS = 64  # of a band: few enough that a band needs little memory, enough that the number of bands costs nothing


def stitch(
    windows: Iterable[tuple[Place, Tensor]], weight_hw: Tensor, num_values: int, width: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield the weighted mean of overlapping windows, in bands of at most 64 rows.

    Rows are yielded as soon as no later window touches them, so no more rows are kept than a window has.

    Args:
        windows: The place of each window and its values (K, h, w), as `tiles.windows` orders them: from top to bottom.
            Together they cover the image.
        weight_hw: (h, w) float, > 0: how much each pixel of a window counts.
        num_values: K.
        width: Of the image, W.

    Yields:
        The first row of a band, and its values (K, rows, W).
    """
    height, side = weight_hw.shape
    sums = weight_hw.new_zeros(num_values + 1, height, width)  # the last plane sums the weights
    first = 0
    for (top, left), values_Khw in windows:
        if top > first:
            finished = top - first
            yield from _means(sums[:, :finished], first)
            for plane_hW in sums:  # one by one: copying all at once would double the memory
                plane_hW[:-finished] = plane_hW[finished:].clone()
                plane_hW[-finished:] = 0
            first = top
        sums[:-1, :, left : left + side] += values_Khw * weight_hw
        sums[-1, :, left : left + side] += weight_hw
    yield from _means(sums, first)


def interpolate(
    bands: Iterable[tuple[int, Tensor]], old: tuple[int, int], new: tuple[int, int]
) -> Iterator[tuple[int, Tensor]]:
    """Yield bands of rows resized bilinearly, of at most 64 rows each.

    Together they equal `F.interpolate(image, new, mode="bilinear", align_corners=False)`.

    Args:
        bands: The first row of each band and its values (K, rows, old width), from top to bottom.
        old: Height and width of the image that the bands make up.
        new: Height and width of the resized image.

    Yields:
        The first row of a band, and its values (K, rows, new width).
    """
    place_H = _sources(old[0], new[0])
    above_H = place_H.long()
    below_H = (above_H + 1).clamp(max=old[0] - 1)
    next_row, first, rows_KhW = 0, 0, torch.empty(0)
    for top, values_KhW in bands:
        rows_KhW = torch.cat([rows_KhW, values_KhW], dim=1) if top else values_KhW
        # New rows before it lie between rows at hand.
        end = int(torch.searchsorted(below_H, top + values_KhW.shape[1]))
        for start in range(next_row, end, _MOST_ROWS):
            places = place_H[start : min(start + _MOST_ROWS, end)]
            yield start, _resized(rows_KhW, places - first, new[1])
        if end < new[0]:
            needed = int(above_H[end])
            rows_KhW, first = rows_KhW[:, needed - first :].clone(), needed  # a view would keep all rows in memory
        next_row = end


def _means(sums: Tensor, first: int) -> Iterator[tuple[int, Tensor]]:
    for i in range(0, sums.shape[1], _MOST_ROWS):
        rows = sums[:, i : i + _MOST_ROWS]
        yield first + i, rows[:-1] / rows[-1]


def _resized(x_KhW: Tensor, place_H: Tensor, width: int) -> Tensor:
    """Return (K, H, width): x interpolated at the row positions `place_H`, and each resulting row resized."""
    place_H = place_H.to(x_KhW.device)
    above_H = place_H.long()
    below_H = (above_H + 1).clamp(max=x_KhW.shape[1] - 1)
    rows_KHW = torch.lerp(x_KhW[:, above_H], x_KhW[:, below_H], (place_H - above_H)[:, None])
    return F.interpolate(rows_KHW[None], (len(place_H), width), mode="bilinear")[0]


def _sources(old: int, new: int) -> Tensor:
    """Return where on an axis of length `old` each pixel of its resized version lies, (new,) float32.

    Rounded as in PyTorch, whose kernels compute in float32 with fused multiply-add: ten thousand rows down, that moves
    a row by 0.0004.
    """
    ratio = torch.tensor(old, dtype=torch.float32) / new
    return ((torch.arange(new, dtype=torch.float64) + 0.5) * ratio.double() - 0.5).clamp(min=0).float()
