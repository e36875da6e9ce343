"""The train stage's loop in 1, 2 and 4 workers that share this machine's cores, and in one with a single thread.

    python benchmarks/scaling.py [--help]

Workers are processes that exchange gradients as under Ray (gloo), without Ray, validation and checkpoints. A step has
the same tiles, however many workers share them. All take turns, and the median over the rounds counts; each turn begins
with an epoch that does not. The last column is the median of the rounds' ratios to the first row: one worker with all
cores, which is what `train.num_workers: auto` takes on a machine without GPUs.
"""

import argparse
import os
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural, positive
from benchmarks.tiles import NUM_CLASSES, write_tiles
from pipeline import params
from pipeline.files import atomic, signals
from pipeline.training import checkpoint
from pipeline.training.trainer import Job, Trainer

PRESET = Path(__file__).parents[1] / "presets" / "camvid_cpu.yaml"


@dataclass(frozen=True)
class Row:
    """Workers with so many threads each: images per second, and the median ratio to the first row's."""

    workers: int
    threads: int
    images_per_second: float
    ratio: float


def work(rank: int, job: Job, workers: int, threads: int, folder: Path) -> None:
    """Train an epoch, then another one, whose images per second the first worker writes into `folder`."""
    torch.set_num_threads(threads)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=workers)
    try:
        trainer, nothing = Trainer(job, torch.device("cpu")), checkpoint.beginning().sums
        for epoch in range(2):
            metrics = trainer.train(epoch, nothing, progress=lambda now: None, save=lambda sums: None)
    finally:
        dist.destroy_process_group()
    if rank == 0:
        (folder / "speed").write_text(str(metrics["images_per_second"]))


def speed(job: Job, workers: int, threads: int) -> float:
    """Return the images per second of workers that are started, and ended, for this."""
    with TemporaryDirectory() as folder:
        spawn(work, (job, workers, threads, Path(folder)), nprocs=workers)  # type: ignore[no-untyped-call]
        return float(Path(folder, "speed").read_text())


def measure(job: Job, combinations: list[tuple[int, int]], rounds: int) -> list[Row]:
    """Return a row per combination of workers and threads."""
    speeds = [[speed(job, *each) for each in combinations] for _ in range(rounds)]
    rows = []
    for number, (workers, threads) in enumerate(combinations):
        ratio = statistics.median(turn[number] / turn[0] for turn in speeds)
        rows.append(Row(workers, threads, statistics.median(turn[number] for turn in speeds), ratio))
    return rows


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=natural, nargs=2, default=(180, 240), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=positive, default=0.25, help="factor on the network's channels")
    parser.add_argument("--batch", type=natural, default=4)
    parser.add_argument("--steps", type=natural, default=16, help="of an epoch")
    parser.add_argument("--rounds", type=natural, default=3)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "scaling.json")
    options = parser.parse_args()
    whole, load, cores = params.load(PRESET), os.getloadavg()[0], os.cpu_count() or 1
    settings = whole.train.model_copy(update={"batch_size": options.batch, "early_phases": ()})
    model = whole.model.model_copy(update={"width": options.width})
    shared = [(workers, max(1, cores // workers)) for workers in (1, 2, 4)]
    with TemporaryDirectory() as folder:
        tiles = write_tiles(Path(folder), options.batch * options.steps, *options.size)
        job = Job(tiles, model, settings, (1.0,) * NUM_CLASSES)
        rows = measure(job, list(dict.fromkeys([*shared, (1, 1)])), options.rounds)
    print("| workers | threads each | images/s | of one worker's with all cores |\n| ---: | ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row.workers} | {row.threads} | {row.images_per_second:.1f} | {row.ratio:.2f} |")
    print(f"{cores} cores; the machine's load before: {load:.1f}")
    setting = {key: value for key, value in vars(options).items() if key != "json"}
    atomic.write_json(options.json, {"load": load, "setting": setting, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    with signals.terminable():
        main()
