"""The phases of a training, each of whole epochs: the size of the tiles, their zoom and the learning rate in each."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor

from pipeline.core.augment import Augmentation, augment, shrink
from pipeline.core.optim import schedule_factor

if TYPE_CHECKING:
    from pipeline.params.training import Train


@dataclass(frozen=True)
class Phase:
    """A phase and its place in the training."""

    steps: range
    """The steps of the training that it consists of."""
    warmup_steps: int
    """How many of them the learning rate rises over."""
    schedule: str
    """A key of SCHEDULES."""
    learning_rate: float
    """The schedule's peak."""
    final_rate: float
    """The share of the peak to which the schedule falls."""
    scale: float
    """Factor by which tiles are shrunk."""
    augmentation: Augmentation
    """What is done to shrunk tiles."""

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate at a step of the training."""
        number, first = len(self.steps), self.steps.start
        return self.learning_rate * schedule_factor(
            self.schedule, step - first, number, self.warmup_steps, final=self.final_rate
        )

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of tiles of height x width pixels in this phase."""
        return round(height * self.scale), round(width * self.scale)

    def transform(self, images: Tensor, masks: Tensor, random: Tensor, *, void: int) -> tuple[Tensor, Tensor]:
        """Return the batch as the network sees it in this phase; arguments are those of `augment`."""
        if self.scale != 1:
            images, masks = shrink(images, masks, self.size(*masks.shape[1:]))
        return augment(images, masks, random, self.augmentation, void=void)


def phases(settings: "Train", steps_before: Callable[[int], int]) -> list[Phase]:
    """Return the phases in their order.

    Args:
        settings: of the training.
        steps_before: the number of steps before an epoch (0-based).
    """
    steps = [range(*ends) for ends in pairwise(map(steps_before, [*settings.first_epochs, settings.epochs]))]
    warmup = round(settings.warmup_epochs * steps_before(settings.epochs) / settings.epochs)
    values = [(each.learning_rate, each.final_rate, each.scale, each.zoom) for each in settings.early_phases]
    values.append((settings.learning_rate, settings.final_rate, 1.0, settings.zoom))
    return [
        Phase(
            part,
            0 if part.start else warmup,
            settings.schedule,
            *(learning_rate, final_rate, scale),
            _augmentation(settings, scale, zoom),
        )
        for part, (learning_rate, final_rate, scale, zoom) in zip(steps, values, strict=True)
    ]


def _augmentation(settings: "Train", scale: float, zoom: tuple[float, float]) -> Augmentation:
    crop = settings.crop
    return Augmentation(
        settings.flip,
        zoom,
        settings.colour_jitter,
        crop=crop and (round(crop[0] * scale), round(crop[1] * scale)),
        border=settings.border,
        vertical_flip=settings.vertical_flip,
        turns=settings.turns,
        rotation=settings.rotation,
        aspect=settings.aspect,
        gamma=settings.gamma,
        hue=settings.hue,
        blur=settings.blur,
        noise=settings.noise,
    )


def full_epochs(settings: "Train", done: float) -> float:
    """Return how many epochs at the tiles' full size take as long as the first `done` epochs: a small one is a part."""
    ends = pairwise([*settings.first_epochs, settings.epochs])
    scales = [*(phase.scale for phase in settings.early_phases), 1.0]
    return sum(scale**2 * max(0.0, min(done, end) - start) for (start, end), scale in zip(ends, scales, strict=True))
