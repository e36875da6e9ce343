"""Batches on the device that trains, sent ahead, so that no step waits for them."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from pipeline.artifacts.tileset import Tileset

_SHARE = 8  # of a GPU's free memory, the part that tiles may take
_AT_ONCE = 16  # tiles that are copied there

Item = TypeVar("Item")


class Feed:
    """The tiles of one split, as batches on a device."""

    def __init__(self, tiles: Tileset, device: torch.device, *, keep: bool) -> None:
        """Take tiles; with `keep`, all of them are put on the device now, and batches are picked from them there."""
        self._tiles, self._device = tiles, device
        self._kept = _copied(tiles, device) if keep else ()

    def batches(self, parts: Sequence[Sequence[int]], draws: Iterable[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """Yield the tiles at each of `parts`, with the next of `draws`.

        Args:
            parts: numbers of tiles.
            draws: tensors on the host, one for each part.

        Yields:
            Images (N, 3, H, W) in 0..255, in channels_last, and the draw, of torch's default dtype; masks (N, H, W)
            int64; in the order images, masks, draw, on the device.
        """
        dtype = torch.get_default_dtype()
        for tensors in self._sent(parts, draws):
            *tiles, drawn = (tensor.to(self._device, non_blocking=True) for tensor in tensors)
            images, masks = (each.index_select(0, tiles[0]) for each in self._kept) if self._kept else tiles
            yield images.permute(0, 3, 1, 2).to(dtype), masks.long(), drawn.to(dtype)

    def _sent(self, parts: Sequence[Sequence[int]], draws: Iterable[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """Yield what is sent to the device for each part, in pinned memory if that is a GPU."""
        if self._kept:
            numbers = (torch.tensor(list(part)) for part in parts)
            tensors: Iterator[tuple[Tensor, ...]] = zip(numbers, draws, strict=False)
        else:
            read = (tuple(map(torch.from_numpy, batch)) for batch in self._tiles.batches(parts))
            tensors = ((*batch, drawn) for batch, drawn in zip(read, draws, strict=False))
        if self._device.type != "cuda":
            return tensors
        return ahead(tuple(tensor.pin_memory() for tensor in each) for each in tensors)


def _copied(tiles: Tileset, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return all images (T, h, w, 3) and masks (T, h, w), uint8, on a device; the host holds only a few at a time."""
    shape = len(tiles), tiles.header.height, tiles.header.width
    images = torch.empty(*shape, 3, dtype=torch.uint8, device=device)
    masks = torch.empty(*shape, dtype=torch.uint8, device=device)
    parts = [range(len(tiles))[i : i + _AT_ONCE] for i in range(0, len(tiles), _AT_ONCE)]
    for part, batch in zip(parts, tiles.batches(parts), strict=True):
        for kept, copied in zip((images, masks), batch, strict=True):
            kept[part.start : part.stop] = torch.from_numpy(copied)
    return images, masks


def fits(tiles: Tileset, device: torch.device) -> bool:
    """Return whether a device is a GPU whose free memory has ample room for the tiles."""
    if device.type != "cuda":
        return False
    num_bytes = len(tiles) * tiles.header.height * tiles.header.width * 4  # three colours and the mask
    return num_bytes * _SHARE <= torch.cuda.mem_get_info(device)[0]


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items; the next one is made in another thread while the current one is used."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as threads:
        coming = threads.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = threads.submit(next, iterator, end)
            yield item  # type: ignore[misc]  # not `end`
