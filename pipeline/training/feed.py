"""Batches on the device that trains, sent ahead, so that no step waits for them."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from pipeline.artifacts.tileset import Tileset

_SHARE = 8  # of a GPU's free memory, the part that tiles may take

Item = TypeVar("Item")


class Feed:
    """The tiles of one split, as batches on a device."""

    def __init__(self, tiles: Tileset, device: torch.device, *, keep: bool) -> None:
        """Take tiles; with `keep`, all of them are put on the device now, and batches are picked from them there."""
        self._tiles, self._device = tiles, device
        self._kept: list[Tensor] = []
        if keep:
            self._kept = [torch.from_numpy(part).to(device) for part in next(tiles.batches([range(len(tiles))]))]

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
