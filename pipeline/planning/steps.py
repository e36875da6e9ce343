"""Timing real training steps on this machine, in a process of its own: what it held is free again afterwards."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.artifacts.tileset import Tileset
from pipeline.cluster import failures
from pipeline.core.augment import DROPOUT_KEY, draw
from pipeline.params.model import Model
from pipeline.params.training import Train
from pipeline.training import estimate, initial, precision
from pipeline.training.learner import Learner
from pipeline.training.phases import phases

_SECONDS, _MOST = 6.0, 20  # of timing, and steps
_WARM_UP = 1  # steps, which load libraries and compile


@dataclass(frozen=True)
class Timing:
    """What was measured."""

    step_seconds: float
    """Of a step on one worker's share of a batch, tiles read and augmented."""
    forward_seconds: float
    """Of the prediction of as many tiles, as in validation."""
    peak_bytes: int
    """Memory: of the process, or of the GPU if there is one."""
    checkpoint_bytes: int
    """On disk, of the checkpoints that a training keeps."""
    device: str
    """The GPU's name, or the CPU with its threads."""


def measure(tiles: Path, model: Model, settings: Train, share: int) -> Timing:
    """Return what steps of `share` tiles take here, with random weights and classes of equal weight.

    Raises:
        ValueError: there are no training tiles, or there is too little memory.
        TrainingError: the settings do not fit each other.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_measure, tiles, model, settings, share).result()
    except BrokenProcessPool as err:
        raise _too_little(share, "a process that was killed") from err
    except (MemoryError, RuntimeError) as err:
        if not failures.is_out_of_memory(err):
            raise
        raise _too_little(share, failures.described(err, "")) from err


def _too_little(share: int, got: str) -> ValueError:
    return ValueError(
        f"expected memory for training steps of {share} tiles at a time on a worker, got {got}; lower "
        "train.batch_size, tile.height or tile.width, raise train.accumulation, or set train.recompute"
    )


def _measure(tiles: Path, model: Model, settings: Train, share: int) -> Timing:
    tileset, device = Tileset(tiles, *settings.splits), torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classes = tileset.header.classes
    torch.manual_seed(settings.seed)
    network = initial.network(model.model_copy(update={"vgg16": None}), classes.names, None).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
    learner = Learner(network, settings, (1.0,) * len(classes))
    phase = phases(settings, lambda epoch: epoch)[-1]
    positions = [i % len(tileset) for i in range(share)]

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        images, masks = (torch.from_numpy(part).to(device) for part in next(iter(tileset.batches([positions]))))
        return images.permute(0, 3, 1, 2).float(), masks.long()

    def step(number: int) -> None:
        drawn = draw(settings.seed, positions).to(device)
        images, masks = phase.transform(*batch(), drawn, void=classes.void)
        rate = settings.learning_rate / 1000
        learner.learn(images, masks, dropout=drawn[:, DROPOUT_KEY], step=number, learning_rate=rate)

    def predict(_: int) -> None:
        images, _masks = batch()
        learner.logits(network.eval(), images)

    with precision.products(learner.precision, are_timed=not settings.deterministic):
        step_seconds = _mean_seconds(step, device)
        peak = estimate.peak_bytes(device)
        with torch.inference_mode():
            forward_seconds = _mean_seconds(predict, device)
    kept = estimate.checkpoint_bytes(network, settings)
    return Timing(step_seconds, forward_seconds, peak, kept, precision.hardware(device))


def _mean_seconds(work: Callable[[int], None], device: torch.device) -> float:
    """Return the time of a call, without that of the first."""
    times: list[float] = []
    for number in range(_WARM_UP + _MOST):
        start = time.monotonic()
        work(number)
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= _WARM_UP:
            times.append(time.monotonic() - start)
        if sum(times) > _SECONDS:
            break
    return sum(times) / len(times)
