"""The sections evaluate and register: how a model is scored, and what it must achieve."""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.params.section import Fraction, Positive, Section, Seed


class Evaluate(Section):
    """How the test split is scored."""

    batch_size: Positive
    """Windows of one image that a GPU predicts together; a CPU predicts one at a time."""
    overlap: Annotated[float, Field(ge=0, lt=1)]
    """Overlap of neighbouring windows, as a fraction of their side, where an image is larger than a tile."""
    precision: Literal["float32", "bfloat16"]
    """Data type of the network that predicts, here and once it is registered. bfloat16 takes about half the time and
    memory on a processor or GPU that computes in it (AMX, AMD's AVX512-BF16, Ampere), and longer on others."""
    flip: bool
    """Average with the prediction for the mirror image; takes twice the time."""
    scales: Annotated[tuple[Annotated[float, Field(ge=0.25, le=4)], ...], Field(min_length=1)]
    """Factors by which an image, or a window of it, is resized; the predictions are averaged. Each takes the time and
    memory of its pixels: 1.25 more than half as much again. [1.0]: its own size alone."""
    samples: Annotated[int, Field(ge=0, le=10_000)]
    """Forward passes with dropout, whose mean is the prediction and whose variance is its uncertainty; for networks
    with dropout of their own, above all the Bayesian ones. 0: one pass without dropout."""
    seed: Seed
    """Decides what dropout drops in the samples, and which images a resample draws."""
    images_per_block: Positive
    """Neighbouring images of a sequence that form a block, the unit of the confidence intervals: about as many as
    resemble each other."""
    resamples: Annotated[int, Field(ge=1, le=100_000)]
    """Number of bootstrap resamples of the test images for the confidence intervals of the scores."""
    level: Annotated[float, Field(gt=0, lt=1)]
    """Level of the confidence intervals: of a score, the fraction of the resamples that lie within; of a gain on the
    champion, the fraction of cases in which it holds the true gain, so that (1 - level) / 2 are false promotions."""

    def serving(self) -> dict[str, Any]:
        """Return the options of predict.load that a registered model keeps, to predict as evaluated; JSON values."""
        return self.model_dump(mode="json", include={"overlap", "precision", "flip", "scales", "samples", "seed"})

    def predicting(self) -> dict[str, Any]:
        """Return all options of predict.load."""
        return {"batch_size": self.batch_size, **self.serving()}


class Register(Section):
    """What a model must achieve to become champion. A floor of 0 is off."""

    min_miou: Fraction
    """Smallest test mIoU of a champion."""
    min_class_accuracy: Fraction
    """Smallest mean class accuracy."""
    min_boundary_f1: Fraction
    """Smallest boundary F1."""
    min_class_iou: Fraction
    """Smallest IoU of any class that occurs in the test masks."""
    max_calibration_error: Fraction | None
    """Largest expected calibration error; null: not checked."""
    min_gain: Fraction
    """The confidence interval (section evaluate) of the mIoU gain over the champion must lie above; a tie is HOLD."""
    alpha_spending: bool
    """Judge the k-th challenger on the same test images against the same champion at 1 / (k (k + 1)) of the rate of
    false promotions, so that the chance of any stays at that rate; false: judge each at the full rate."""
    max_megabytes: Annotated[float, Field(gt=0)] | None
    """Largest size of the weights, 1e6 bytes; null: not checked."""
    max_latency_ms: Annotated[float, Field(gt=0)] | None
    """Longest time for an image of tile size, milliseconds, on the machine that decides; null: not measured."""
    max_class_loss: Fraction
    """A class whose IoU falls by more is HOLD; if the whole interval of its loss lies beyond this, REJECT."""
