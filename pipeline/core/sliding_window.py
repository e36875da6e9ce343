"""From windows of an image to the whole of it, a band of rows at a time: a huge image is never held in floats.

Values (K, h, w) are any K numbers at each pixel, such as the probabilities of classes.
"""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

Place = tuple[int, int]
"""(top, left), pixels."""
_MOST_ROWS = 64  # of a band: few enough that bands weigh little, many enough that their number costs nothing


def stitch(
    windows: Iterable[tuple[Place, Tensor]], weight_hw: Tensor, num_values: int, width: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield the weighted mean of windows that overlap, in bands of at most 64 rows.

    Rows are yielded as soon as no later window touches them, so that no more are kept than a window has.

    Args:
        windows: The place of each window and its values (K, h, w), as `tiles.windows` orders them: from top to bottom.
            Together they cover an image.
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
            done = top - first
            yield from _means(sums[:, :done], first)
            for plane_hW in sums:  # one by one: a copy of all would double the memory
                plane_hW[:-done] = plane_hW[done:].clone()
                plane_hW[-done:] = 0
            first = top
        sums[:-1, :, left : left + side] += values_Khw * weight_hw
        sums[-1, :, left : left + side] += weight_hw
    yield from _means(sums, first)


def interpolate(
    bands: Iterable[tuple[int, Tensor]], old: tuple[int, int], new: tuple[int, int]
) -> Iterator[tuple[int, Tensor]]:
    """Yield bands of rows resized bilinearly, of at most 64 rows each.

    Together they are what `F.interpolate(whole, new, mode="bilinear", align_corners=False)` makes of the whole.

    Args:
        bands: The first row of each band and its values (K, rows, old width), from top to bottom.
        old: Height and width that the bands have together.
        new: Height and width to give them.

    Yields:
        The first row of a band, and its values (K, rows, new width).
    """
    place_H = _sources(old[0], new[0])
    above_H = place_H.long()
    below_H = (above_H + 1).clamp(max=old[0] - 1)
    made, first, kept = 0, 0, torch.empty(0)
    for top, values_KhW in bands:
        kept = torch.cat([kept, values_KhW], dim=1) if top else values_KhW
        end = int(torch.searchsorted(below_H, top + values_KhW.shape[1]))  # rows before it lie between rows at hand
        for start in range(made, end, _MOST_ROWS):
            places = place_H[start : min(start + _MOST_ROWS, end)]
            yield start, _resized(kept, places - first, new[1])
        if end < new[0]:
            needed = int(above_H[end])
            kept, first = kept[:, needed - first :].clone(), needed  # a view would keep the other rows in memory
        made = end


def _means(sums: Tensor, first: int) -> Iterator[tuple[int, Tensor]]:
    for i in range(0, sums.shape[1], _MOST_ROWS):
        rows = sums[:, i : i + _MOST_ROWS]
        yield first + i, rows[:-1] / rows[-1]


def _resized(x_KhW: Tensor, place_H: Tensor, width: int) -> Tensor:
    """Return (K, H, width): rows interpolated at the places `place_H` of x, and of these each resized."""
    place_H = place_H.to(x_KhW.device)
    above_H = place_H.long()
    below_H = (above_H + 1).clamp(max=x_KhW.shape[1] - 1)
    rows_KHW = torch.lerp(x_KhW[:, above_H], x_KhW[:, below_H], (place_H - above_H)[:, None])
    return F.interpolate(rows_KHW[None], (len(place_H), width), mode="bilinear")[0]


def _sources(old: int, new: int) -> Tensor:
    """Return where in an axis of length `old` each pixel of its resized version lies, (new,) float32.

    Rounded where PyTorch rounds, whose kernels compute in float32 with fused multiply and add: ten thousand rows down,
    that moves a row by 0.0004.
    """
    ratio = torch.tensor(old, dtype=torch.float32) / new
    return ((torch.arange(new, dtype=torch.float64) + 0.5) * ratio.double() - 0.5).clamp(min=0).float()
