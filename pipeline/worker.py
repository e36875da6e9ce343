"""One process of training: its model, its optimizer and its share of the tiles.

A step's loss is the sum over all workers divided by the weight sum over all workers, and a step's tiles depend on seed
and step alone, so that N workers train the model that one would.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from pipeline.core import metrics, order, schedule
from pipeline.core.augment import Augmentation, augment, draw
from pipeline.core.losses import LOSSES, cross_entropy
from pipeline.core.models import MODELS, vgg
from pipeline.core.optimizers import OPTIMIZERS
from pipeline.core.precision import autocast_type
from pipeline.core.synchronised_norm import synchronised
from pipeline.files import checkpoint, weights
from pipeline.files.checkpoint import Metrics, State
from pipeline.files.tileset import Batch, Tileset

if TYPE_CHECKING:  # training also runs where pydantic is not installed
    from pipeline.params.training import Model, Train

_LOOK_EVERY = 32  # steps between looks at the loss: each look waits for the device


class TrainingError(RuntimeError):
    """Training cannot go on; the message says at which epoch and step, and what to try."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know."""

    tiles: Path
    model: "Model"
    """Paths in it are absolute, and seen by all nodes."""
    settings: "Train"
    class_weights: tuple[float, ...]
    """One for each class, in the loss."""


class Worker:
    """One process's model, optimizer and tiles."""

    def __init__(self, job: Job, device: torch.device) -> None:
        """Open the tiles and build the model, alike in every process.

        Raises:
            ValueError: the batch does not divide by the workers, or is larger than the training split.
        """
        self.settings, self.device = job.settings, device
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        self.tiles = {split: Tileset(job.tiles, split) for split in ("train", "val")}
        self.classes = self.tiles["train"].header.classes
        self._check()
        torch.manual_seed(self.settings.seed)
        self.model = MODELS[job.model.name](len(self.classes), job.model.width)
        if (trained := job.model.vgg16) is not None:
            vgg.load_vgg16(self.model, weights.read(Path(trained.path)), vgg.PREPROCESSING[trained.trained_on])
        self.model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
        self.replica = self.model
        if self.world_size > 1:  # Ray makes a process group for a single worker, too
            if self.settings.sync_batch_norm:
                self.model = synchronised(self.model)
            self.replica = DistributedDataParallel(self.model)
        settings = self.settings
        self.optimizer = OPTIMIZERS[settings.optimizer](
            self.model, settings.learning_rate, settings.momentum, settings.weight_decay
        )
        self.class_weights = torch.tensor(job.class_weights, dtype=torch.get_default_dtype(), device=device)

    def _check(self) -> None:
        batch, tiles = self.settings.batch_size, len(self.tiles["train"])
        if batch % self.world_size:
            raise ValueError(
                f"train.batch_size: expected a multiple of the {self.world_size} workers, got {batch}; "
                f"{batch - batch % self.world_size or self.world_size} would do"
            )
        if batch > tiles:
            raise ValueError(f"train.batch_size: expected at most the {tiles} training tiles, got {batch}")

    def train(self, epoch: int, progress: Callable[[Metrics], None]) -> Metrics:
        """Train one epoch; return its losses, learning rate and speed."""
        settings, num_tiles = self.settings, len(self.tiles["train"])
        first, last = (order.steps_before(e, num_tiles, settings.batch_size) for e in (epoch, epoch + 1))
        share = settings.batch_size // self.world_size
        starts = [step * settings.batch_size + self.rank * share for step in range(first, last)]
        positions = [range(start, start + share) for start in starts]
        tiles = [order.tiles_at(part, num_tiles, settings.seed) for part in positions]
        self.replica.train()
        sums = torch.zeros(last - first, 4, dtype=torch.float64, device=self.device)
        began = looked = time.monotonic()
        for i, (part, batch) in enumerate(zip(positions, self.tiles["train"].batches(tiles), strict=True)):
            sums[i] = self._step(first + i, part, batch)
            now = time.monotonic()
            if (i + 1) % _LOOK_EVERY == 0 or now > looked + 1 or first + i + 1 == last:
                looked = now
                loss = _means(sums[: i + 1], epoch, first)
                speed = (i + 1) * settings.batch_size / (time.monotonic() - began)
                if self.rank == 0:
                    progress({"epoch": epoch + 1, "done": (i + 1) / (last - first), "images_per_second": speed, **loss})
        rate = self.optimizer.param_groups[0]["lr"]
        return {**loss, "learning_rate": rate, "images_per_second": speed}

    def _step(self, step: int, positions: range, batch: Batch) -> Tensor:
        """Take one step; return its loss sum, weight sum, plain loss sum and pixels, over all workers: (4,) float64."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * self._rate_factor(step)
        images, masks = self._to_device(batch)
        random = draw(settings.seed, list(positions)).to(self.device, images.dtype)
        images, masks = augment(images, masks, random, _augmentation(settings), void=self.classes.void)
        with self._autocast():
            logits = self.replica(images)
        loss_sum, sums = self._losses(logits, masks)
        _all_reduce(sums)
        # DDP averages the gradients over the workers; a step of void alone has weight 0, and changes nothing.
        torch.autograd.backward(loss_sum * (self.world_size / sums[1].clamp(min=1e-12)).to(loss_sum.dtype))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return sums

    @torch.inference_mode()
    def validate(self) -> Metrics:
        """Score the validation tiles, each once, over all workers."""
        classes = len(self.classes)
        mine = list(range(self.rank, len(self.tiles["val"]), self.world_size))
        share = self.settings.batch_size // self.world_size
        batches = [mine[i : i + share] for i in range(0, len(mine), share)]
        counts = torch.zeros(classes, classes, dtype=torch.int64, device=self.device)
        sums = torch.zeros(4, dtype=torch.float64, device=self.device)
        self.model.eval()
        for batch in self.tiles["val"].batches(batches):
            images, masks = self._to_device(batch)
            with self._autocast():
                logits = self.model(images)
            sums += self._losses(logits, masks)[1]
            counts += metrics.confusion_matrix(logits.argmax(dim=1), masks, classes)
        _all_reduce(counts)
        _all_reduce(sums)
        return {
            "val/loss": float(sums[0] / sums[1]),
            "val/loss_unweighted": float(sums[2] / sums[3]),
            **metrics.scores(counts.cpu().numpy()).named("val", self.classes.names),
        }

    def _losses(self, logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss sum to learn from, and (4,) float64: it, its weights, the plain loss sum and pixels."""
        loss_sum, weight_sum = LOSSES[self.settings.loss](logits, masks, self.class_weights)
        plain = cross_entropy(logits.detach(), masks, torch.ones_like(self.class_weights))
        return loss_sum, torch.stack([loss_sum.detach(), weight_sum, *plain]).double()

    def _to_device(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W) in channels_last and masks (N, H, W) int64 of a loaded batch."""
        images, masks = (torch.from_numpy(part) for part in batch)
        if self.device.type == "cuda":  # pinned memory is copied while the device computes
            images, masks = images.pin_memory(), masks.pin_memory()
        images, masks = images.to(self.device, non_blocking=True), masks.to(self.device, non_blocking=True)
        return images.permute(0, 3, 1, 2).to(self.class_weights.dtype), masks.long()

    def _autocast(self) -> torch.autocast:
        dtype = autocast_type(self.settings.precision, self.device)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    def _rate_factor(self, step: int) -> float:
        settings, num_tiles = self.settings, len(self.tiles["train"])
        steps = order.steps_before(settings.epochs, num_tiles, settings.batch_size)
        return schedule.factor(settings.schedule, step, steps, round(settings.warmup_epochs * steps / settings.epochs))

    def weights(self) -> checkpoint.Tensors:
        """Return the model's state."""
        return self.model.state_dict()

    def optimizer_tensors(self) -> checkpoint.Tensors:
        """Return the optimizer's state, named <parameter number>.<key>."""
        state = self.optimizer.state_dict()["state"]
        return {f"{i}.{key}": value for i, values in state.items() for key, value in values.items()}

    def load(self, state: State) -> None:
        """Go on from a saved state."""
        self.model.load_state_dict(dict(state.model))
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        values: dict[int, dict[str, Tensor]] = {}
        for name, value in state.optimizer.items():
            number, key = name.split(".")
            like = parameters[int(number)]
            if value.shape == like.shape:  # laid out as the parameter: fused optimizers go through memory in step
                value = torch.empty_like(like).copy_(value)
            values.setdefault(int(number), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": values, "param_groups": groups})


def _augmentation(settings: "Train") -> Augmentation:
    return Augmentation(settings.flip, settings.zoom, settings.colour_jitter)


def _all_reduce(tensor: Tensor) -> None:
    """Replace a tensor by its sum over all workers."""
    if dist.is_initialized():
        dist.all_reduce(tensor)


def _means(sums: Tensor, epoch: int, first: int) -> Metrics:
    """Return the losses of the steps so far, weighted and plain; raise TrainingError where one is not a number."""
    rows = sums.cpu()
    broken = (~rows.isfinite().all(dim=1)).nonzero()
    if len(broken):
        step = first + int(broken[0])
        raise TrainingError(
            f"expected a finite loss, got {rows[int(broken[0]), 0]:g} at epoch {epoch + 1}, step {step + 1}; "
            "lower train.learning_rate, or lengthen train.warmup_epochs"
        )
    total = rows.sum(dim=0)
    return {"train/loss": float(total[0] / total[1]), "train/loss_unweighted": float(total[2] / total[3])}
