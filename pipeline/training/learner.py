"""The network in training: its weights, its replicas on other workers, its optimizer and its moving average."""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.core import batch_statistics, counter_random, optim
from pipeline.core.image_losses import IMAGE_LOSSES, num_images
from pipeline.core.losses import pixel_loss, pixel_weights
from pipeline.core.models.dropout import by_tile
from pipeline.core.recompute import recomputing
from pipeline.core.sync_batch_norm import synchronised
from pipeline.training import compilation, precision
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.errors import TrainingError, enough_for_normalisation
from pipeline.training.exchange import exchanging

if TYPE_CHECKING:
    from pipeline.params.training import Train


class Learner:
    """A network in training, identical on every worker."""

    def __init__(self, model: nn.Module, settings: "Train", class_weights: tuple[float, ...]) -> None:
        """Copy the first worker's weights to all workers; `model` is on the device that it is trained on."""
        self._settings = settings
        self._device = next(model.parameters()).device
        self.precision, self._is_compiled = _agreed(settings, self._device)
        self._pixel_loss = pixel_loss(settings.loss, settings.label_smoothing)
        self._class_weights = torch.tensor(class_weights, dtype=torch.get_default_dtype(), device=self._device)
        average = deepcopy(model) if settings.ema_decay else None
        self._dropout = by_tile(model)
        self._world_size = dist.get_world_size() if dist.is_initialized() else 1
        self._model = self._replica = model
        self._exchanging: DistributedDataParallel | None = None
        if self._world_size > 1:  # Ray creates a process group even for a single worker
            if settings.sync_batch_norm:
                self._model = synchronised(model)
            is_static = settings.accumulation == 1 and not self._is_compiled
            self._replica = self._exchanging = exchanging(self._model, self._try, is_static=is_static)
        if self._is_compiled:  # in training only: a validation's last batch would be compiled again for its size
            self._replica = cast(nn.Module, torch.compile(self._replica, dynamic=False))
        self._average = optim.MovingAverage(average, self._model, settings.ema_decay) if average else None
        self._optimizer = optim.OPTIMIZERS[settings.optimizer](
            self._model, settings.learning_rate, settings.momentum, settings.weight_decay
        )

    def learn(self, images: Tensor, masks: Tensor, *, dropout: Tensor, step: int, learning_rate: float) -> Tensor:
        """Take a step on this worker's share of a batch; return the `losses` summed over all shares.

        Each part's loss sums are divided by the divisors of the whole batch, of all parts of all workers' shares, which
        are known from the masks before the first part is computed. So gradients add up to those of the batch's mean.
        DDP averages over the workers, hence the factor; a batch of void only has weight 0 and adds no gradient.

        Args:
            images: (N, 3, H, W), where N is a multiple of `accumulation`.
            masks: (N, H, W) int64.
            dropout: (N,) random numbers in [0, 1), which decide what is dropped in each image.
            step: 0-based.
            learning_rate: of this step.
        """
        self._replica.train()
        weights, divisors = self._weigh(masks)
        all_reduce(divisors)
        scales = [(self._world_size / divisor.clamp(min=1e-12)).to(weights.dtype) for divisor in divisors]
        totals = torch.zeros_like(divisors)
        keys = counter_random.keys(dropout)
        for part, exchange in self._parts(len(images)):
            self._use(keys[part])
            with exchange:
                with self._kept(), compilation.explained(), enough_for_normalisation(images[part]):
                    logits = self.logits(self._replica, images[part])
                sums = self._sums(logits, masks[part], weights[part])
                loss = sums[0] * scales[0]
                if (image_loss := self._settings.image_loss) is not None:
                    loss = (1 - image_loss.share) * loss + image_loss.share * sums[2] * scales[2]
                torch.autograd.backward(loss)
            totals += torch.stack([each.detach() for each in sums])
        all_reduce(totals)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update(step)
        return _in_pairs(totals, divisors)

    def _try(self, model: nn.Module, images: Tensor) -> Tensor:
        """Return the logits of images in training that teach nothing."""
        self._use(counter_random.keys(torch.zeros(len(images), device=self._device)))
        return self.logits(model, images)

    def _use(self, keys: Tensor) -> None:
        """Let dropout have the keys of the images that come next."""
        for layer in self._dropout:
            layer.use(keys)

    def _parts(self, num_tiles: int) -> Iterator[tuple[slice, AbstractContextManager[object]]]:
        """Yield the parts of a share; gradients are exchanged in the backward pass of the last one."""
        size = num_tiles // self._settings.accumulation
        for start in range(0, num_tiles, size):
            exchange: AbstractContextManager[object] = nullcontext()
            if self._exchanging is not None and start + size < num_tiles:
                exchange = self._exchanging.no_sync()
            yield slice(start, start + size), exchange

    def _kept(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass, which decides what is kept for the backward pass."""
        is_ours = self._settings.recompute and not self._is_compiled
        return recomputing(self._model) if is_ours else nullcontext()

    def losses(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return the sums of a batch's losses, each followed by its divisor, (4,) or (6,) float64.

        Of pixels, weighted, with the sum of the weights; of pixels, unweighted, with the number of labelled ones; and
        of images, if the settings have such a loss, with the number of those that have a labelled pixel.
        """
        weights, divisors = self._weigh(masks)
        return _in_pairs(torch.stack(self._sums(logits.detach(), masks, weights)).double(), divisors)

    def mean_losses(self, sums: Tensor) -> dict[str, float]:
        """Return what is minimised, as `loss`, and its parts; `sums` are those of `losses`, added up as often."""
        means = {"loss": float(sums[0] / sums[1]), "loss_unweighted": float(sums[2] / sums[3])}
        if (image_loss := self._settings.image_loss) is not None:
            means["loss_of_images"] = float(sums[4] / sums[5])
            means["loss"] = (1 - image_loss.share) * means["loss"] + image_loss.share * means["loss_of_images"]
        return means

    def _sums(self, logits: Tensor, masks: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """Return the loss of pixels, weighted and unweighted, and that of images, if any, each summed."""
        sums = self._pixel_loss(logits, masks, weights)
        if (image_loss := self._settings.image_loss) is None:
            return sums
        return *sums, IMAGE_LOSSES[image_loss.name](logits.to(weights.dtype), masks)

    def _weigh(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return each pixel's weight in the loss, (N, H, W), and the divisors of `_sums`, (2,) or (3,) float64."""
        weights, void = pixel_weights(masks, self._class_weights), len(self._class_weights)
        divisors = [weights.sum(dtype=torch.float64), (masks != void).sum()]
        if self._settings.image_loss is not None:
            divisors.append(num_images(masks, void))
        return weights, torch.stack(divisors)

    def published(self) -> nn.Module:
        """Return the network that is validated and exported: the average, if any; every worker must call this."""
        model = self._model if self._average is None else self._average.network
        if self._world_size > 1:  # without sync_batch_norm, each worker has its own statistics
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)
        return model

    def renewed(self, batches: Iterable[Tensor]) -> nn.Module:
        """Return a copy of the published network with the batch statistics of batches, which all workers must give."""

        def forward(model: nn.Module, images: Tensor) -> None:
            with enough_for_normalisation(images, "train.statistics_tiles", "it"):
                self.logits(model, images)

        return batch_statistics.renewed(self.published(), batches, forward)

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """Return the logits (N, C, H, W) of images (N, 3, H, W), computed in the configured precision."""
        dtype = precision.autocast_type(self.precision)
        with torch.autocast(self._device.type, dtype, enabled=dtype is not None):
            logits: Tensor = model(images)
        return logits

    def into(self, state: Checkpoint) -> Checkpoint:
        """Return the checkpoint with the tensors that training resumes from."""
        return replace(
            state,
            model=self._model.state_dict(),
            optimizer=optim.tensors(self._optimizer),
            average={} if self._average is None else self._average.network.state_dict(),
        )

    def load(self, state: Checkpoint) -> None:
        """Resume from a checkpoint."""
        self._model.load_state_dict(dict(state.model))
        optim.restore(self._optimizer, state.optimizer)
        if self._average is not None:
            self._average.network.load_state_dict(dict(state.average))


def _agreed(settings: "Train", device: torch.device) -> tuple[str, bool]:
    """Return what all workers compute in, a key of precision.BITS, and whether they compile: what each of them can."""
    bits = precision.BITS[precision.resolved(settings.precision, device)]
    is_compiled = compilation.is_wanted(settings.compile, device)
    if dist.is_initialized():
        most = torch.tensor([bits, not is_compiled], dtype=torch.int64, device=device)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        bits, is_compiled = int(most[0]), not most[1]
    return next(name for name in precision.BITS if precision.BITS[name] == bits), is_compiled


def _in_pairs(totals: Tensor, divisors: Tensor) -> Tensor:
    """Return each total followed by its divisor, float64."""
    return torch.stack([totals, divisors], dim=1).flatten()


@contextmanager
def deterministic() -> Iterator[None]:
    """Refuse operations whose results may differ from run to run.

    Raises:
        TrainingError: the block used such an operation.
    """
    before = torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # makes cuBLAS deterministic; read when it starts
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as err:
        if "deterministic" not in str(err):
            raise
        raise TrainingError(
            f"train.deterministic: expected deterministic operations only, got: {err}; choose another network or "
            "device, or set it to false"
        ) from err
    finally:
        torch.use_deterministic_algorithms(before)


def all_reduce(tensor: Tensor) -> None:
    """Replace a tensor with its sum over all workers."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
