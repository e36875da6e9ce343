"""An epoch of training under Ray beside the same loop without it, with one and with two workers, in one run.

    python benchmarks/orchestration.py [--help]

Without Ray, one worker is this process, and two are processes that torch starts. Both ways train the same random tiles,
of the size of the drawn scenes, and take turns; in each turn the first epoch is left out, and the median of the others
counts. An epoch's time is that of its steps, without validation. The last column is the median of the turns' ratios.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural
from benchmarks.tiles import NUM_CLASSES, write_tiles
from pipeline import params
from pipeline.cluster.run import Place, Plan, workers
from pipeline.files import atomic, signals
from pipeline.training import train
from pipeline.training.trainer import Job

PARAMS = Path(__file__).parents[1] / "params.yaml"
Run = Callable[[Job, Path], list[float]]
"""Trains a job in a new folder, and returns the images per second of each epoch."""


@dataclass(frozen=True)
class Row:
    """A number of workers: seconds of an epoch with and without Ray, and the median ratio of the turns."""

    workers: int
    ray_seconds: float
    plain_seconds: float
    ratio: float


def under_ray(job: Job, folder: Path) -> list[float]:
    """Train on Ray's workers."""
    speeds: list[float] = []
    place, settings = Place(folder, train.reads(job)), job.settings
    anywhere = params.load(PARAMS).placement
    plan = Plan(place, settings.num_workers, 0, train.TrainingError, anywhere, settings.shared_tiles)
    listener = partial(_keep, speeds)
    with workers(train.fit, job, plan) as started:
        started.run(on_report=listener, on_progress=_ignore, on_pictures=_ignore)
    return speeds


def without_ray(job: Job, folder: Path) -> list[float]:
    """Train in this process, or in as many as there are workers."""
    if job.settings.num_workers == 1:
        torch.set_num_threads(os.cpu_count() or 1)
        return _fit(job, folder)
    spawn(_worker, (job, folder), nprocs=job.settings.num_workers)  # type: ignore[no-untyped-call]
    speeds: list[float] = torch.load(folder / "speeds.pt")
    return speeds


def _worker(rank: int, job: Job, folder: Path) -> None:
    workers: Any = job.settings.num_workers
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=workers)
    try:
        speeds = _fit(job, folder)
    finally:
        dist.destroy_process_group()
    if rank == 0:
        torch.save(speeds, folder / "speeds.pt")


def _fit(job: Job, folder: Path) -> list[float]:
    speeds: list[float] = []
    silent: dict[str, Any] = dict.fromkeys(("progress", "say", "pictures"), _ignore)
    train.fit(job, folder=folder, device=torch.device("cpu"), report=partial(_keep, speeds), **silent)
    return speeds


def _ignore(_: Any) -> None:
    pass


def _keep(speeds: list[float], epoch: dict[str, float]) -> None:
    speeds.append(epoch["images_per_second"])


def measure(job: Job, workers: int, rounds: int, folder: Path) -> Row:
    """Return a row."""
    settings = job.settings.model_copy(update={"num_workers": workers})
    job = Job(job.tiles, job.model, settings, job.class_weights)
    ways: dict[str, Run] = {"ray": under_ray, "plain": without_ray}
    seconds: dict[str, list[float]] = {"ray": [], "plain": []}
    for turn in range(rounds):
        for name, way in ways.items():
            run = folder / f"{workers}-{turn}-{name}"
            run.mkdir()
            _, *speeds = way(job, run)
            seconds[name].append(1 / statistics.median(speeds))
    ratio = statistics.median(a / b for a, b in zip(seconds["ray"], seconds["plain"], strict=True))
    return Row(workers, statistics.median(seconds["ray"]), statistics.median(seconds["plain"]), ratio)


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=natural, nargs=2, default=(96, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--tiles", type=natural, default=240)
    parser.add_argument("--epochs", type=natural, default=6, help="of each turn; the first one is left out")
    parser.add_argument("--rounds", type=natural, default=3)
    parser.add_argument("--workers", type=natural, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "orchestration.json")
    options = parser.parse_args()
    whole, load = params.load(PARAMS), os.getloadavg()[0]
    limits = {"epochs": options.epochs, "epochs_per_validation": options.epochs, "checkpoint_minutes": 60.0}
    settings = whole.train.model_copy(update=limits)
    print("| workers | s an image under Ray | without | ratio |\n| ---: | ---: | ---: | ---: |")
    rows = []
    with TemporaryDirectory() as folder:
        (tiles := Path(folder, "tiles")).mkdir()
        job = Job(
            write_tiles(tiles, options.tiles, *options.size),
            whole.model,
            settings,
            (1.0,) * NUM_CLASSES,
        )
        for workers in options.workers:
            rows.append(row := measure(job, workers, options.rounds, Path(folder)))
            print(f"| {workers} | {row.ray_seconds:.4f} | {row.plain_seconds:.4f} | {row.ratio:.2f} |")
    print(f"{os.cpu_count()} cores; the machine's load before: {load:.1f}")
    setting = {key: value for key, value in vars(options).items() if key != "json"}
    atomic.write_json(options.json, {"load": load, "setting": setting, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    with signals.terminable():
        main()
