"""The sections evaluate and register: how a model is scored, and what it must reach."""

from typing import Annotated

from pydantic import Field

from pipeline.params.section import Fraction, Positive, Section, Seed


class Evaluate(Section):
    """How the test split is scored."""

    batch_size: Positive
    """Windows of one image that a GPU predicts together; does not change a score."""
    overlap: Annotated[float, Field(ge=0, lt=1)]
    """Overlap of neighbouring windows, as a fraction of their side, where an image is larger than a tile."""
    flip: bool
    """Average with the prediction of the mirror image; takes twice the time."""
    samples: Annotated[int, Field(ge=0)]
    """Forward passes with dropout, whose mean is the prediction and whose variance is its uncertainty; for networks
    that have dropout, the Bayesian ones above all. 0: one pass without dropout."""
    seed: Seed
    """Decides what dropout drops in the samples, and which images are resampled."""
    images_per_block: Positive
    """Neighbouring images of a sequence that are resampled together for the confidence intervals."""
    resamples: Positive
    """Resamples of the test images for the confidence intervals."""
    level: Annotated[float, Field(gt=0, lt=1)]
    """Of the confidence intervals: the share of the resamples within."""


class Register(Section):
    """What a model must reach to become champion. A floor of 0 is off."""

    min_miou: Fraction
    """Smallest test mIoU of a champion."""
    min_class_accuracy: Fraction
    """Smallest mean accuracy of the classes."""
    min_boundary_f1: Fraction
    """Smallest boundary F1."""
    min_class_iou: Fraction
    """Smallest IoU of any class that the test masks have."""
    max_calibration_error: Fraction | None
    """Largest expected calibration error; null: not checked."""
    min_gain: Fraction
    """The lower bound of its gain in mIoU over the champion (interval: section evaluate) must be above. A tie holds."""
    max_megabytes: Annotated[float, Field(gt=0)] | None
    """Largest size of its weights, 1e6 bytes; null: not checked."""
    max_latency_ms: Annotated[float, Field(gt=0)] | None
    """Longest time for an image of the tiles' size, milliseconds, on the machine that decides; null: not measured."""
    max_class_loss: Fraction
    """A class whose IoU falls by more holds the model back, and rejects it where the whole interval lies beyond."""
