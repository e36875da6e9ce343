"""One training process: its share of the tiles, and the network that learns from them.

A step's loss is the loss sum over all workers divided by their weight sum, and a step's tiles depend only on seed and
step, so N workers train the same model as one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.artifacts.model import Metrics
from pipeline.artifacts.tileset import Tileset
from pipeline.core import metrics, sampler
from pipeline.core.augment import DROPOUT_KEY, draw
from pipeline.training import initial
from pipeline.training.errors import TrainingError
from pipeline.training.feed import Feed, fits
from pipeline.training.initial import Initial
from pipeline.training.late import Late
from pipeline.training.learner import Learner, all_reduce
from pipeline.training.phases import Phase, phases

if TYPE_CHECKING:
    from pipeline.params.model import Model
    from pipeline.params.training import Train
    from pipeline.training.remote import Remote

_TILES_AT_ONCE = 8  # of which batch statistics are computed
_CHECK_EVERY = 16  # steps between checks of loss and clock, each of which waits for the device


@dataclass(frozen=True)
class Job:
    """What a worker trains."""

    tiles: Path
    model: "Model"
    settings: "Train"
    class_weights: tuple[float, ...]
    """The weight of each class in the loss."""
    initial: Initial | None = None
    """What the network's weights are set from; None: they are random. Its path is visible to all nodes."""
    remote: "Remote | None" = None
    """Where nodes find the job's files that do not see these paths."""


class Trainer:
    """One process's tiles and network."""

    def __init__(self, job: Job, device: torch.device) -> None:
        """Open the tiles and build the model, identically in every process.

        Raises:
            TrainingError: the batch size is not a multiple of workers times accumulation, or exceeds the training
                split.
        """
        self.settings, self.device = job.settings, device
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        place = job.tiles if job.remote is None else job.remote.find
        self.tiles = {"train": Tileset(place, *self.settings.splits), "val": Tileset(place, "val")}
        self.classes = self.tiles["train"].header.classes
        self._order = training_order(self.tiles["train"], self.settings)
        self._phases = phases(self.settings, self.steps_before)
        self._check()
        torch.manual_seed(self.settings.seed)
        copy = None if job.remote is None or job.initial is None else job.remote.weights()
        model = initial.network(job.model, self.classes.names, job.initial, copy)
        model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
        self.learner = Learner(model, job.settings, job.class_weights)
        self._feeds = {
            split: Feed(tiles, device, keep=job.remote is None and fits(tiles, device))
            for split, tiles in self.tiles.items()
        }
        self._saved = time.monotonic()

    def _check(self) -> None:
        batch, tiles, parts = self.settings.batch_size, len(self.tiles["train"]), self.settings.accumulation
        unit = self.world_size * parts
        if batch % unit:
            raise TrainingError(
                f"train.batch_size: expected a multiple of {unit}, the {self.world_size} workers times "
                f"train.accumulation {parts}, got {batch}; use {batch - batch % unit or unit}, for example"
            )
        if batch > tiles:
            raise TrainingError(
                f"train.batch_size: expected at most the {tiles} training tiles, got {batch}; lower it to a multiple "
                f"of {unit}, the workers times train.accumulation, or cut more tiles"
            )

    def steps_before(self, epoch: int) -> int:
        """Return the number of steps before an epoch (0-based)."""
        return sampler.steps_before(epoch, len(self.tiles["train"]), self.settings.batch_size)

    def train(
        self, epoch: int, done: Tensor, *, progress: Callable[[Metrics], None], save: Callable[[Tensor], None]
    ) -> Metrics:
        """Train one epoch, or the rest of it; return its losses, learning rate and speed.

        Args:
            epoch: 0-based.
            done: (k, 4 or 6) float64, what `save` received when the epoch was interrupted after k of its steps;
                otherwise k is 0.
            progress: called by the first worker about once a second.
            save: called within the epoch by every worker at the same step, when a checkpoint is due.
        """
        settings = self.settings
        first, last = self.steps_before(epoch), self.steps_before(epoch + 1)
        steps = range(first + len(done), last)
        tiles = sampler.Steps(self._order, steps, self._share)
        sums = self._no_losses(last - first)
        if len(done):  # without a step, `done` may have other columns: a checkpoint between epochs knows no settings
            sums[: len(done)] = done
        began = reported = time.monotonic()
        draws = (draw(settings.seed, self._share(step)) for step in steps)
        checked, shown = Late(self.device), Late(self.device)

        def show(i: int, rows: Tensor) -> None:
            speed = (i - len(done)) * settings.batch_size / (reported - began)
            losses = self._losses("train", rows.sum(dim=0))
            progress({"epoch": epoch + 1, "done": i / len(sums), "images_per_second": speed, **losses})

        for i, batch in enumerate(self._feeds["train"].batches(tiles, draws), len(done) + 1):  # steps, with this one
            sums[i - 1] = self._step(first + i - 1, *batch)
            if i == len(sums):
                break
            check = i % _CHECK_EVERY == 0
            if check and (seen := checked.read(torch.cat([sums[:i].flatten(), self._due()]))) is not None:
                _check_finite(seen[:-1].view(-1, sums.shape[1]), epoch, first)
                if seen[-1]:
                    self._saved, checked = time.monotonic(), Late(self.device)
                    save(sums[:i])
            if self.rank == 0 and (check or time.monotonic() > reported + 1):
                reported = time.monotonic()
                if (rows := shown.read(sums[:i])) is not None:
                    show(i, rows)
        rows = sums.cpu()
        _check_finite(rows, epoch, first)
        if self.rank == 0:
            reported = time.monotonic()
            show(len(sums), rows)
        speed = (len(sums) - len(done)) * settings.batch_size / (time.monotonic() - began)
        rates = {"learning_rate": self._learning_rate(last - 1), "images_per_second": speed}
        return {**self._losses("train", rows.sum(dim=0)), **rates}

    def _share(self, step: int) -> list[int]:
        """Return the positions of this worker's tiles of a step in the training order."""
        settings, worker = self.settings, (self.rank, self.world_size)
        return sampler.share(step, settings.batch_size, parts=settings.accumulation, worker=worker)

    def is_due(self) -> bool:
        """Return whether `checkpoint_minutes` have passed since the last checkpoint was due, or since the start.

        Every worker must call this at the same step; the first worker's clock decides.
        """
        due = bool(self._due())
        if due:
            self._saved = time.monotonic()
        return due

    def _due(self) -> Tensor:
        """Return whether a checkpoint is due, (1,) float64 on the device."""
        minutes = self.settings.checkpoint_minutes
        is_due = self.rank == 0 and minutes is not None and time.monotonic() > self._saved + 60 * minutes
        due = torch.full((1,), float(is_due), dtype=torch.float64, device=self.device)
        if minutes is not None:
            all_reduce(due)
        return due

    def _step(self, step: int, images: Tensor, masks: Tensor, random: Tensor) -> Tensor:
        """Take one step; return the sums of `Learner.losses` over all workers."""
        images, masks = self._phase(step).transform(images, masks, random, void=self.classes.void)
        return self.learner.learn(
            images, masks, dropout=random[:, DROPOUT_KEY], step=step, learning_rate=self._learning_rate(step)
        )

    def published(self) -> nn.Module:
        """Return the network that can become the model; every worker must call this, and computes statistics alone."""
        if not (count := min(self.settings.statistics_tiles, len(self.tiles["train"]))):
            return self.learner.published()
        order = sampler.Order(len(self.tiles["train"]), self.settings.seed, kind=self.settings.order)
        ends = [0, *range(_TILES_AT_ONCE, count - 1, _TILES_AT_ONCE), count]  # none is left over alone
        parts = [order.tiles_at(range(*part)) for part in pairwise(ends)]
        batches = self._feeds["train"].batches(parts, repeat(torch.zeros(0)))
        return self.learner.renewed(images for images, _, _ in batches)

    def validate(self, network: nn.Module) -> Metrics:
        """Score every validation tile once, over all workers."""
        counts, sums = self._count(network.eval())
        return {
            **self._losses("val", sums),
            **metrics.scores(counts.cpu().numpy()).named("val", self.classes.names),
        }

    @torch.inference_mode()
    def _count(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        """Return the validation tiles' confusion matrix (C, C) int64 and summed `Learner.losses`, over all workers."""
        classes = len(self.classes)
        mine = list(range(self.rank, len(self.tiles["val"]), self.world_size))
        share = self.settings.batch_size // self.world_size // self.settings.accumulation
        batches = [mine[i : i + share] for i in range(0, len(mine), share)]
        counts = torch.zeros(classes, classes, dtype=torch.int64, device=self.device)
        sums = self._no_losses(1)[0]
        for images, masks, _ in self._feeds["val"].batches(batches, repeat(torch.zeros(0))):
            logits = self.learner.logits(model, images)
            sums += self.learner.losses(logits, masks)
            counts += metrics.confusion_matrix(logits.argmax(dim=1), masks, classes)
        all_reduce(counts)
        all_reduce(sums)
        return counts, sums

    def _no_losses(self, num_steps: int) -> Tensor:
        columns = 4 if self.settings.image_loss is None else 6
        return torch.zeros(num_steps, columns, dtype=torch.float64, device=self.device)

    def _losses(self, split: str, sums: Tensor) -> Metrics:
        return {f"{split}/{name}": value for name, value in self.learner.mean_losses(sums).items()}

    def _learning_rate(self, step: int) -> float:
        return self._phase(step).learning_rate_at(step)

    def _phase(self, step: int) -> Phase:
        return next(phase for phase in self._phases if step in phase.steps)


def training_order(tiles: Tileset, settings: "Train") -> sampler.Order:
    """Return the order in which the training tiles are shown."""
    rare = settings.rare_class_share
    shares = sampler.shares_by_class(tiles.pixels(), rare) if rare else None
    return sampler.Order(len(tiles), settings.seed, shares, kind=settings.order)


def _check_finite(rows: Tensor, epoch: int, first: int) -> None:
    """Raise TrainingError if any step's losses, on the host, are not finite."""
    broken = (~rows.isfinite().all(dim=1)).nonzero()
    if len(broken):
        step, row = first + int(broken[0]), rows[int(broken[0])]
        raise TrainingError(
            f"expected a finite loss, got {row[~row.isfinite()][0]:g} at epoch {epoch + 1}, step {step + 1}; "
            "lower train.learning_rate, or lengthen train.warmup_epochs"
        )
