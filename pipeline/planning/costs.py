"""What the pipeline costs with given params: a few images go through its stages, and the rest is multiplication."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import psutil
import torch

from pipeline.artifacts.manifest import Manifest
from pipeline.artifacts.model import write_model
from pipeline.artifacts.spec import Spec
from pipeline.artifacts.tileset import Tileset
from pipeline.cluster import share
from pipeline.core import sampler
from pipeline.core.models import MODELS
from pipeline.data import tile
from pipeline.evaluation import evaluate
from pipeline.inference import predict
from pipeline.params import Params
from pipeline.params.training import Train
from pipeline.planning import sample as samples, savings, steps
from pipeline.planning.sample import Sample
from pipeline.planning.savings import Effort, Saving
from pipeline.planning.steps import Timing
from pipeline.training import estimate, phases
from pipeline.validation import validate

Result = TypeVar("Result")


@dataclass(frozen=True)
class Costs:
    """Estimates for one run of the pipeline on this machine."""

    minutes: Mapping[str, float]
    """Of each stage; register, the start of Ray, and what comes from the network, are not measured."""
    epoch_seconds: float
    """At the tiles' full size, with its validation."""
    step_seconds: float
    steps_per_epoch: int
    training_tiles: int
    epochs: int
    workers: int
    device: str
    memory_bytes: int
    """Peak of training, of each worker."""
    available_bytes: int
    """Of the GPU's memory, or the machine's."""
    disk_bytes: Mapping[str, int]
    """Of data/raw, data/tiles and the checkpoints in runs."""
    free_bytes: int
    """On the disk of the current folder."""
    note: str
    savings: tuple[Saving, ...]
    """Values with which it would be faster, if it takes more than ten minutes."""


def measure(settings: Params) -> Costs:
    """Time a few images and steps with these params on this machine.

    Raises:
        ValueError: the data set's files do not match its params, or give no tiles.
        TrainingError: the training settings do not fit each other.
    """
    with TemporaryDirectory() as temporary:
        raw, tiles, model = (Path(temporary) / name for name in ("raw", "tiles", "model"))
        raw.mkdir()
        sample = samples.take(settings.dataset, raw)
        times = {} if sample.seconds is None else {"download": sample.seconds}
        times["validate"], checked = _timed(lambda: validate.run(sample.manifest, settings.validation))
        _check_usable(sample.manifest, [validate.describe(each) for each in (*checked.errors, *checked.warnings)])
        cut, counts = _timed(lambda: tile.run(sample.manifest, raw, tiles, settings.tile))
        times["tile"] = cut / max(1, len(sample.manifest.usable))
        tiled = Counter(sample.manifest.usable["split"])
        num_tiles = {split: round(counts[split] / tiled[split] * sample.counts[split]) for split in ("train", "val")}
        if settings.train.with_val:
            num_tiles = {"train": sum(num_tiles.values()), "val": 0}
        workers = _workers(settings)
        timing = steps.measure(tiles, settings.model, settings.train, settings.train.batch_size // workers)
        times["evaluate"] = _evaluating(settings, sample, raw, tiles, model)
        sizes = {"data/raw": samples.written(raw), "data/tiles": samples.written(tiles)}
    return _total(settings, sample, timing, times, (num_tiles, sizes, workers))


def _check_usable(images: Manifest, faults: Sequence[str]) -> None:
    """Raise ValueError where none of a split's images can be used; `faults` are what validation finds."""
    for split in images.splits:
        if split not in set(images.usable["split"]):
            raise ValueError(
                f"expected images in split {split} that can be used, got none of the {len(images.images)} looked at: "
                f"{'; '.join(faults) or 'no fault was found'}; correct the data or dataset"
            )


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    began = time.monotonic()
    result = work()
    return time.monotonic() - began, result


def _workers(settings: Params) -> int:
    """Return how many workers train on this machine."""
    number = settings.train.num_workers
    if number == "auto":
        return share.automatic(torch.cuda.device_count(), settings.train.shared_tiles)
    return number[1] if isinstance(number, tuple) else number


def _evaluating(settings: Params, sample: Sample, raw: Path, tiles: Path, folder: Path) -> float:
    """Return the seconds that a scored image takes; the network has random weights."""
    header = Tileset(tiles, "train").header
    network = MODELS[settings.model.name](len(header.classes), settings.model.width)
    spec = Spec(
        settings.model.name, settings.model.width, header.classes, header.dataset, header.height, header.width,
        header.scale, "untrained",
    )  # fmt: skip
    write_model(folder, spec, network.state_dict())
    predictor = predict.load(folder, **settings.evaluate.predicting())
    seconds, _ = _timed(lambda: evaluate.run(predictor, sample.manifest, raw))
    return seconds / len(evaluate.scored_images(sample.manifest))


def _total(
    settings: Params,
    sample: Sample,
    timing: Timing,
    seconds: Mapping[str, float],
    sizes: tuple[Mapping[str, int], Mapping[str, int], int],
) -> Costs:
    """Multiply what was measured."""
    num_tiles, sample_bytes, workers = sizes
    train = settings.train
    minutes, epoch = _minutes(settings, sample, timing, seconds, num_tiles)
    scale = sample.images_in_all() / len(sample.manifest.usable)

    def with_effort(changed: Params, times: Effort) -> Mapping[str, float]:
        """Return the minutes with other params, which take so many times the effort."""
        pixels = times.tile_pixels
        step = replace(
            timing, step_seconds=timing.step_seconds * pixels, forward_seconds=timing.forward_seconds * pixels
        )
        predicted = {**seconds, "evaluate": seconds["evaluate"] * times.predicted_pixels}
        tiles = {split: round(number * times.tiles) for split, number in num_tiles.items()}
        return _minutes(changed, sample, step, predicted, tiles)[0]

    return Costs(
        minutes=minutes,
        epoch_seconds=epoch,
        step_seconds=timing.step_seconds,
        steps_per_epoch=_steps(train, num_tiles),
        training_tiles=num_tiles["train"],
        epochs=train.epochs,
        workers=workers,
        device=timing.device,
        memory_bytes=timing.peak_bytes,
        available_bytes=_available(),
        disk_bytes={
            **{name: round(size * scale) for name, size in sample_bytes.items()},
            "runs": timing.checkpoint_bytes,
        },
        free_bytes=shutil.disk_usage(Path()).free,
        note=sample.note,
        savings=savings.propose(settings, sample.manifest, with_effort),
    )


def _steps(train: Train, num_tiles: Mapping[str, int]) -> int:
    """Return the steps of an epoch."""
    return max(1, sampler.steps_before(1, num_tiles["train"], train.batch_size))


def _minutes(
    settings: Params, sample: Sample, timing: Timing, seconds: Mapping[str, float], num_tiles: Mapping[str, int]
) -> tuple[Mapping[str, float], float]:
    """Return the minutes of each stage, and the seconds of an epoch at the tiles' full size."""
    train, images = settings.train, sample.images_in_all()
    validation = num_tiles["val"] / train.batch_size * timing.forward_seconds / train.epochs_per_validation
    full = _steps(train, num_tiles) * timing.step_seconds
    minutes = {
        **({"download": seconds["download"] * images / 60} if "download" in seconds else {}),
        "validate": seconds["validate"] / 60,
        "tile": seconds["tile"] * images / 60,
        "train": (full * phases.full_epochs(train, train.epochs) + validation * train.epochs) / 60,
        "evaluate": seconds["evaluate"] * sample.counts[sample.manifest.scored_split] / 60,
    }
    return minutes, full + validation


def _available() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    return int(psutil.virtual_memory().total)


def in_words(costs: Costs) -> list[str]:
    """Return the estimates as lines."""
    stages = ", ".join(f"{name} {estimate.duration(60 * minutes)}" for name, minutes in costs.minutes.items())
    disk = ", ".join(f"{name} {estimate.size(size)}" for name, size in costs.disk_bytes.items())
    workers = "" if costs.workers == 1 else f"; {costs.workers} workers, as fast as this one each"
    total, training = sum(costs.minutes.values()), 60 * costs.minutes["train"]
    lines = [
        f"train: {estimate.in_words(costs.epoch_seconds, training, costs.epochs)}",
        f"  {costs.steps_per_epoch} steps of {estimate.duration(costs.step_seconds)} per epoch, {costs.training_tiles} "
        f"tiles, on {costs.device}{workers}",
        f"stages: {stages}; {estimate.duration(60 * total)} in all, without register and the start of Ray",
        f"memory: training takes {estimate.size(costs.memory_bytes)} of {estimate.size(costs.available_bytes)}",
        f"disk: {disk}, and data and model again in DVC's cache; {estimate.size(costs.free_bytes)} are free",
    ]
    return [*lines, *([f"note: {costs.note}"] if costs.note else []), *_savings_in_words(costs)]


def _savings_in_words(costs: Costs) -> list[str]:
    """Return the savings as lines."""
    lines = []
    for saving in costs.savings:
        values = ", ".join(f"{key} {_shown(now)} -> {_shown(then)}" for key, (now, then) in saving.values.items())
        times = ", ".join(
            f"{stage} {estimate.duration(60 * costs.minutes[stage])} -> {estimate.duration(60 * minutes)}"
            for stage, minutes in saving.minutes.items()
        )
        lines.append(f"  {values}: {times}; {saving.loses}")
    about = "faster, by estimate (a step takes as long as its pixels, epochs are alike), each change by itself:"
    return [about, *lines] if lines else []


def _shown(value: object) -> str:
    return json.dumps(value)
