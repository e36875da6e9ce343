"""The train stage's loop beside a plain loop over the same network and the usual SegNet's step, in one run.

    python benchmarks/train_step.py [--help]

The plain loop has what training cannot do without: batches, augmentation, the weighted loss, SGD and the average of the
weights. The usual step is SegNet as it is usually written (benchmarks/models.py), in the same precision and, if that is
not float32, in float32 too, which PyTorch computes in unless told otherwise. All train on the same random tiles and
take turns, some steps each; the median over the rounds counts, of seconds and of each round's ratios. Without
validation and checkpoints. Each has a process of its own: the stage's with the environment of its workers, the plain
ones with that of this script. The processor's seconds are those of all threads; on a machine that computes something
else too, only their ratios say anything.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.models import UsualSegNet
from benchmarks.options import natural, positive
from benchmarks.tiles import NUM_CLASSES, write_tiles
from pipeline import params
from pipeline.artifacts.tileset import Tileset
from pipeline.cluster import allocator
from pipeline.core.augment import Augmentation, augment, draw
from pipeline.core.models import MODELS
from pipeline.files import atomic, signals
from pipeline.training import checkpoint, precision
from pipeline.training.trainer import Job, Trainer

PRESET = Path(__file__).parents[1] / "presets" / "camvid_cpu.yaml"
DECAY = 0.999
AUGMENTATION = Augmentation(flip=0.5, zoom=(0.75, 1.5), colour_jitter=0.2)

Steps = Callable[[int], object]
"""Takes an epoch's steps; its number, 0-based."""


@dataclass(frozen=True)
class Row:
    """A loop's step."""

    name: str
    seconds: float
    processor_seconds: float
    of_the_plain: tuple[float, float]
    """Median over the rounds of its seconds divided by the plain loop's, and of its processor's seconds."""
    of_the_usual: tuple[float, float]
    of_the_usual_in_float32: tuple[float, float]


def stage(tiles: Path, options: argparse.Namespace) -> Steps:
    """Return the train stage's loop."""
    settings = params.load(PRESET).train.model_copy(
        update={
            "batch_size": options.batch,
            "early_phases": (),
            "optimizer": "sgd",
            "precision": options.precision,
            "ema_decay": DECAY,
            "flip": AUGMENTATION.flip,
            "zoom": AUGMENTATION.zoom,
            "colour_jitter": AUGMENTATION.colour_jitter,
        }
    )
    model = params.load(PRESET).model.model_copy(update={"width": options.width})
    trainer = Trainer(Job(tiles, model, settings, (1.0,) * NUM_CLASSES), torch.device("cpu"))
    nothing = checkpoint.beginning().sums
    return lambda epoch: trainer.train(epoch, nothing, progress=lambda now: None, save=lambda sums: None)


def plain(tiles: Path, options: argparse.Namespace, model: nn.Module) -> Steps:
    """Return a plain loop that trains a model."""
    data, batch, weights = Tileset(tiles, "train"), options.batch, torch.ones(NUM_CLASSES)
    dtype = precision.autocast_type(options.precision)
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    average = deepcopy(model)

    def steps(epoch: int) -> None:
        order = np.random.default_rng(epoch).permutation(len(data))
        for first in range(0, len(data), batch):
            images, masks = zip(*(data[i] for i in order[first : first + batch]), strict=True)
            x, y = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(), torch.from_numpy(np.stack(masks))
            x, y = augment(x, y.long(), draw(epoch, list(range(first, first + batch))), AUGMENTATION, void=NUM_CLASSES)
            with torch.autocast("cpu", dtype, enabled=dtype is not None):
                logits = model(x)
            F.cross_entropy(logits.float(), y, weights, ignore_index=NUM_CLASSES).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                for mine, theirs in zip(average.parameters(), model.parameters(), strict=True):
                    mine.lerp_(theirs, 1 - DECAY)

    return steps


def our_plain(tiles: Path, options: argparse.Namespace) -> Steps:
    """Return the plain loop over the same network."""
    torch.manual_seed(1)
    ours = MODELS["segnet"](NUM_CLASSES, options.width)
    ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
    return plain(tiles, options, ours)


def usual_plain(tiles: Path, options: argparse.Namespace) -> Steps:
    """Return the plain loop over the usual SegNet."""
    torch.manual_seed(1)
    return plain(tiles, options, UsualSegNet(NUM_CLASSES, options.width))


def usual_in_float32(tiles: Path, options: argparse.Namespace) -> Steps:
    """Return the plain loop over the usual SegNet in float32."""
    return usual_plain(tiles, argparse.Namespace(**vars(options) | {"precision": "float32"}))


LOOPS: dict[str, tuple[Callable[[Path, argparse.Namespace], Steps], dict[str, str]]] = {
    "the train stage's loop": (stage, allocator.VARIABLES),
    "a plain loop over the same network": (our_plain, {}),
    "a plain loop over the usual SegNet": (usual_plain, {}),
    "the same in float32": (usual_in_float32, {}),
}
"""What makes the loops, and what their processes add to the environment."""


_made: list[Steps] = []  # the loop of this process, if it has one


def process(name: str, tiles: Path, options: argparse.Namespace) -> ProcessPoolExecutor:
    """Start a process, in which a loop is made, and return it after a warm-up."""
    with patch.dict(os.environ, LOOPS[name][1]):  # read when a process starts
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, context, initializer=_make, initargs=(name, tiles, options))
        pool.submit(_timed, 0).result()
    return pool


def _make(name: str, tiles: Path, options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    make, _ = LOOPS[name]
    _made.append(make(tiles, options))


def _timed(epoch: int) -> tuple[float, float]:
    start, processor = time.perf_counter(), time.process_time()
    _made[0](epoch)
    return time.perf_counter() - start, time.process_time() - processor


def measure(tiles: Path, options: argparse.Namespace) -> list[Row]:
    """Return a row per loop."""
    names = list(LOOPS) if options.precision != "float32" else list(LOOPS)[:3]
    pools = {name: process(name, tiles, options) for name in names}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pools}
    for epoch in range(1, options.rounds + 1):
        for name, pool in pools.items():
            taken[name].append(pool.submit(_timed, epoch).result())
    for pool in pools.values():
        pool.shutdown()
    _, base, usual, *others = taken.values()

    def ratios(mine: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> tuple[float, float]:
        pairs = list(zip(mine, theirs, strict=True))
        seconds, processor = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        return seconds, processor

    rows = []
    for name, times in taken.items():
        seconds, processor_seconds = zip(*times, strict=True)
        wall, processor = (statistics.median(each) / options.steps for each in (seconds, processor_seconds))
        compared = [ratios(times, theirs) for theirs in (base, usual, *(others or [usual]))]
        rows.append(Row(name, wall, processor, *compared))
    return rows


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=natural, nargs=2, default=(180, 240), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=positive, default=0.25, help="factor on the network's channels")
    parser.add_argument("--batch", type=natural, default=4)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--threads", type=natural, default=torch.get_num_threads())
    parser.add_argument("--steps", type=natural, default=16, help="of each turn")
    parser.add_argument("--rounds", type=natural, default=7)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "train_step.json")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        rows = measure(write_tiles(Path(folder), options.batch * options.steps, *options.size), options)
    print("| loop | ms a step | of the plain loop's | of the usual one's | of the usual one's in float32 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        compared = (row.of_the_plain, row.of_the_usual, row.of_the_usual_in_float32)
        ratios = " | ".join(f"{seconds:.3f} ({processor:.3f})" for seconds, processor in compared)
        print(f"| {row.name} | {1000 * row.seconds:.0f} ({1000 * row.processor_seconds:.0f}) | {ratios} |")
    print("in brackets, of the processor's time")
    print(f"{options.precision}, {options.threads} threads; the machine's load before: {load:.1f}")
    machine = {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability(), "load": load}
    setting = {key: value for key, value in vars(options).items() if key != "json"}
    atomic.write_json(options.json, {"machine": machine, "setting": setting, "loops": [asdict(row) for row in rows]})


if __name__ == "__main__":
    with signals.terminable():
        main()
