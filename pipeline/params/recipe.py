"""Parts of the section train that are mappings themselves, and the rules that they follow together."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.section import Fraction, Section, Share

Zoom = tuple[Annotated[float, Field(ge=0.25, le=1)], Annotated[float, Field(ge=1, le=4)]]


class Phase(Section):
    """A phase of training before the last one, which the section train itself describes."""

    share: Share
    """Of train.epochs, rounded to whole ones."""
    scale: Annotated[float, Field(ge=0.125, le=1)]
    """Factor by which tiles are shrunk: a quarter of the pixels, and of the time, at 0.5."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate of this phase."""
    final_rate: Fraction
    """As train.final_rate, in this phase."""
    zoom: Zoom
    """As train.zoom, in this phase."""


class ImageLoss(Section):
    """A loss of whole images: a surrogate of a score of each class that an image shows, whatever its size."""

    name: Literal["lovasz_softmax", "dice"]
    """A key of pipeline.core.image_losses.IMAGE_LOSSES."""
    share: Annotated[float, Field(gt=0, le=1)]
    """Its share in the loss; that of pixels has the rest. 1: alone."""


def first_epochs(early_phases: Sequence[Phase], epochs: int) -> list[int]:
    """Return the epoch (0-based) with which each phase of a training begins, the last one's included."""
    # Halves are rounded up, so that a phase with a share of one epoch or more always has one.
    shares = (phase.share * epochs for phase in early_phases)
    return [int(end + 0.5) for end in accumulate(shares, initial=0.0)]


def check_phases(phases: Sequence[Phase], epochs: int, warmup_epochs: float) -> None:
    """Check that the phases before the last one fit into a training.

    Raises:
        ValueError: a phase, or the last one, would have no epoch, or the warm-up does not end within the first.
    """
    shares = {f"early_phases.{i}": phase.share for i, phase in enumerate(phases)}
    shares["the last phase"] = 1 - sum(shares.values())
    begins = [*first_epochs(phases, epochs), epochs]
    for (what, share), (first, end) in zip(shares.items(), pairwise(begins), strict=True):
        if round(share * epochs, 6) < 1 or first == end:
            raise ValueError(
                f"expected at least one of {epochs} epochs for {what}, got {share * epochs:.6g}; change epochs or the "
                "shares of early_phases"
            )
    if warmup_epochs >= begins[1]:
        part = " of the first phase" if phases else ""
        raise ValueError(f"expected warmup_epochs < the {begins[1]} epochs{part}, got {warmup_epochs:g}; change one")
