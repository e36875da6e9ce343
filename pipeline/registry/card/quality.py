"""How good a model is and where it is wrong: scores, classes, confusions and calibration."""

from collections.abc import Iterator
from math import isnan, nan

import numpy as np

from pipeline.artifacts.scores import Intervals, Scores
from pipeline.core import boundary, metrics
from pipeline.core.arrays import Counts
from pipeline.core.metrics import ratio
from pipeline.registry.card.document import Block, Table

_WORST_CLASSES, _WORST_IMAGES = 3, 5
_CONFUSIONS = 2  # named per class, in each direction
_ABSENT = "not in the test images"
_MEANINGS = {
    "miou": (
        "mIoU",
        "Mean over the classes of the intersection over union of their true and predicted pixels.",
    ),
    "global_accuracy": ("G, global accuracy", "Share of the labelled pixels that are predicted correctly."),
    "class_accuracy": (
        "C, class accuracy",
        "Mean over the classes in the test images of the share of their pixels that is predicted correctly.",
    ),
    "boundary_f1": (
        "BF, boundary F1",
        "Mean over the images of the F1 of the classes' boundaries, paired one to one within "
        f"{boundary.TOLERANCE * 100:g}% of the image's diagonal.",
    ),
}


def headline(scores: Scores, intervals: Intervals) -> tuple[Block, ...]:
    """Return the scores on the full test set."""
    values, counted = scores.metrics, metrics.scores(scores.confusion).counted_classes
    rows = tuple(
        (name, fraction(values[f"test/{key}"]), _interval(intervals, key), meaning)
        for key, (name, meaning) in _MEANINGS.items()
    )
    return (
        f"On {plural(len(scores.ids), f'{scores.split} image')} of {plural(len(set(scores.sequences)), 'sequence')}, "
        f"predicted and scored at full size: {plural(int(scores.confusion.sum()), 'labelled pixel')}. Scores are "
        f"fractions in [0, 1]. mIoU is the mean over {counted} of {plural(len(scores.names), 'class', 'classes')}; "
        "classes that are neither in the test images nor predicted are left out.",
        Table(("Score", "Value", _level(intervals), "Meaning"), rows, (1, 2)),
        f"Intervals: {intervals.method}.",
    )


def classes(scores: Scores, intervals: Intervals) -> Table:
    """Return the scores of each class."""
    values, pixels_C = scores.metrics, scores.confusion.sum(axis=1)
    shares_C = ratio(pixels_C, np.full(len(pixels_C), pixels_C.sum()))
    rows = tuple(
        (
            name,
            fraction(values[f"test/iou/{name}"], _ABSENT),
            _interval(intervals, f"iou/{name}"),
            fraction(values[f"test/accuracy/{name}"], _ABSENT),
            # A class that fills every image it is in has pixels but no boundary.
            fraction(values[f"test/boundary_f1/{name}"], "no boundary" if pixels else _ABSENT),
            fraction(share),
        )
        for name, pixels, share in zip(scores.names, pixels_C, shares_C, strict=True)
    )
    header = ("Class", "IoU", _level(intervals), "Accuracy", "Boundary F1", "Share of test pixels")
    return Table(header, rows, (1, 2, 3, 4, 5), (1,))


def weaknesses(scores: Scores) -> tuple[Block, ...]:
    """Return the worst classes and images, and whether the model is overconfident."""
    return (
        "The classes with the lowest IoU, and the classes that each is confused with most, as shares of its pixels and "
        "of the pixels predicted as it:",
        Table(("Class", "IoU", "Its pixels are taken for", "Taken for it"), tuple(_classes(scores)), (1,)),
        "The images with the lowest mIoU, and the class with the most misclassified pixels in each:",
        Table(("Image", "mIoU", "Most misclassified"), tuple(_images(scores)), (1,)),
        _calibration(scores),
    )


def fraction(value: float, undefined: str = "not defined") -> str:
    """Return a fraction in [0, 1] as the card shows it; a value above 0 is never shown as 0.

    Example:
        >>> [fraction(value) for value in (0.48649, 0, 0.0004, nan)]
        ['0.486', '0.000', '< 0.001', 'not defined']
    """
    if isnan(value):
        return undefined
    return "< 0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return a count with its noun, such as 1 image or 2,000 images; give `nouns` unless the plural just adds s."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def _classes(scores: Scores) -> Iterator[tuple[str, ...]]:
    """Yield the worst classes: name, IoU, what its pixels are taken for, and what is taken for it.

    A class that is predicted but in no image has IoU 0 and is included; one that is neither has no IoU and is not.
    """
    confusion, names = scores.confusion, scores.names
    ious = metrics.scores(confusion).class_ious
    for c in [int(c) for c in np.argsort(ious, kind="stable") if not isnan(ious[c])][:_WORST_CLASSES]:
        taken_for = _others(confusion[c], c, names) if confusion[c].any() else _ABSENT
        taken_for_it = _others(confusion[:, c], c, names) if confusion[:, c].any() else "never predicted"
        yield names[c], fraction(ious[c]), taken_for, taken_for_it


def _images(scores: Scores) -> Iterator[tuple[str, ...]]:
    """Yield the worst images: id, mIoU and the most misclassified class; images that are all void have no mIoU."""
    mious = [metrics.scores(counts).miou for counts in scores.counts]
    known = [number for number, miou in enumerate(mious) if not isnan(miou)]
    for number in sorted(known, key=lambda number: (mious[number], scores.ids[number]))[:_WORST_IMAGES]:
        yield scores.ids[number], fraction(mious[number]), _most_misclassified(scores.counts[number], scores.names)


def _calibration(scores: Scores) -> str:
    reliability = scores.reliability
    pixels, error = reliability.pixels.sum(), fraction(reliability.expected_calibration_error)
    if not pixels:
        return f"Expected calibration error: {error}."
    confidence, accuracy = reliability.confidence.sum() / pixels, reliability.correct.sum() / pixels
    judgement = "overconfident" if confidence > accuracy else "not overconfident"
    return (
        f"Expected calibration error: {error}. Over all pixels, the mean confidence is {fraction(confidence)} and the "
        f"accuracy {fraction(accuracy)}: the model is {judgement}."
    )


def _others(pixels_C: Counts, own: int, names: tuple[str, ...]) -> str:
    """Return the other classes that hold the most of these pixels, with their shares of all of them."""
    most = [c for c in np.argsort(-pixels_C, kind="stable") if c != own and pixels_C[c]][:_CONFUSIONS]
    return ", ".join(f"{names[c]} {fraction(pixels_C[c] / pixels_C.sum())}" for c in most) or "none"


def _most_misclassified(confusion_CC: Counts, names: tuple[str, ...]) -> str:
    missed_CC = confusion_CC - np.diag(np.diagonal(confusion_CC))
    c = int(missed_CC.sum(axis=1).argmax())
    if not missed_CC[c].any():
        return "none"
    pixels = plural(int(confusion_CC[c].sum()), "pixel")
    return f"{names[c]}: {missed_CC[c].sum():,} of {pixels}, most as {names[int(missed_CC[c].argmax())]}"


def _interval(intervals: Intervals, name: str) -> str:
    low, high = intervals.bounds.get(name, (nan, nan))
    return "none" if isnan(low) or isnan(high) else f"{fraction(low)} to {fraction(high)}"


def _level(intervals: Intervals) -> str:
    return f"{intervals.level * 100:g}% interval"
