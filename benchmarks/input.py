"""Batches of training tiles from the tile stage's shards beside a DataLoader that decodes PNG files, in one run.

    python benchmarks/input.py [--help]

Both read the same drawn scenes in the same order, each tile once a turn, from files that the system has cached, and
hand over float32 images and int64 masks. The DataLoader opens an image and a mask with Pillow for each tile, as PyTorch
users do, in this process or in worker processes. They take turns; the median over the rounds counts, of each round's
ratio too.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural
from benchmarks.tiles import write_scenes
from pipeline.artifacts.tileset import Tileset
from pipeline.core.sampler import Order
from pipeline.files import atomic, signals
from pipeline.training.feed import Feed

Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Row:
    """A way to read: tiles per second, and how many times faster it is than the DataLoader in one process."""

    name: str
    tiles_per_second: float
    times_faster: float


class PngFiles(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of PNG files, <number>.png and <number>_mask.png."""

    def __init__(self, folder: Path, order: list[int]) -> None:
        """Take them in this order."""
        self._folder, self._order = folder, order

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._order)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        """Return the image (3, H, W) float32 and the mask (H, W) int64."""
        number = self._order[i]
        image, mask = (np.array(Image.open(self._folder / f"{number}{end}.png")) for end in ("", "_mask"))
        return torch.from_numpy(image).permute(2, 0, 1).float(), torch.from_numpy(mask).long()


def write_png(tiles: Tileset, folder: Path) -> None:
    """Write the tiles as PNG files."""
    for i in range(len(tiles)):
        image, mask = tiles[i]
        Image.fromarray(image).save(folder / f"{i}.png")
        Image.fromarray(mask).save(folder / f"{i}_mask.png")


def ways(tiles: Tileset, folder: Path, order: list[int], batch: int) -> dict[str, Batches]:
    """Return what is compared, by name; the first one is what the others are compared with."""
    parts = [order[first : first + batch] for first in range(0, len(order), batch)]

    def ours() -> Iterator[tuple[Tensor, Tensor]]:
        feed = Feed(tiles, torch.device("cpu"), keep=False)
        for images, masks, _ in feed.batches(parts, (torch.zeros(1) for _ in parts)):
            yield images, masks

    def loader(workers: int) -> Batches:
        return lambda: iter(DataLoader(PngFiles(folder, order), batch_size=batch, num_workers=workers))

    processes = {f"DataLoader, PNG files, {n} worker processes": loader(n) for n in (1, 2)}
    return {"DataLoader, PNG files, this process": loader(0), **processes, "the train stage's feed": ours}


def measure(compared: dict[str, Batches], num_tiles: int, rounds: int) -> list[Row]:
    """Return a row for each way to read."""
    seconds: dict[str, list[float]] = {name: [] for name in compared}
    for turn in range(rounds + 1):  # the first one fills the system's cache
        for name, batches in compared.items():
            began = time.perf_counter()
            seen = sum(len(masks) for _, masks in batches())
            if seen != num_tiles:
                raise AssertionError(f"{name}: expected {num_tiles} tiles, got {seen}")
            if turn:
                seconds[name].append(time.perf_counter() - began)
    base = next(iter(seconds.values()))
    return [
        Row(
            name,
            num_tiles / statistics.median(each),
            statistics.median(a / b for a, b in zip(base, each, strict=True)),
        )
        for name, each in seconds.items()
    ]


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=natural, nargs=2, default=(360, 480), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--tiles", type=natural, default=200)
    parser.add_argument("--batch", type=natural, default=4)
    parser.add_argument("--rounds", type=natural, default=5)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "input.json")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with TemporaryDirectory() as name:
        folder = Path(name)
        tiles = Tileset(write_scenes(folder, options.tiles, *options.size), "train")
        write_png(tiles, folder)
        order = Order(len(tiles), 1).tiles_at(range(len(tiles)))
        rows = measure(ways(tiles, folder, order, options.batch), len(tiles), options.rounds)
    print("| way to read | tiles/s | times faster |\n| --- | ---: | ---: |")
    for row in rows:
        print(f"| {row.name} | {row.tiles_per_second:.0f} | {row.times_faster:.1f} |")
    print(f"{os.cpu_count()} cores; the machine's load before: {load:.1f}")
    setting = {key: value for key, value in vars(options).items() if key != "json"}
    atomic.write_json(options.json, {"load": load, "setting": setting, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    with signals.terminable():
        main()
