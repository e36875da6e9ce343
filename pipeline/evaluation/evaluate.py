"""The evaluate step: predicts the full images of the test split and scores them against their masks at full size.

Where a data set has no test split, the images are those of val, which chose the best epoch: the scores say so.
"""

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track

from pipeline.artifacts.manifest import Manifest
from pipeline.artifacts.raw_files import RawFiles
from pipeline.artifacts.scores import HEADLINE, Intervals, Scores
from pipeline.core import bootstrap, boundary, metrics
from pipeline.core.arrays import Counts, Pixels
from pipeline.core.bootstrap import Interval, Resampling
from pipeline.core.calibration import Reliability, reliability
from pipeline.files.images import read_image, read_mask
from pipeline.inference.predict import Predictor
from pipeline.params.evaluation import Evaluate


class Listener(Protocol):
    """Called with each test image as it is evaluated; see pipeline.evaluation.report.gallery.Gallery.add."""

    def __call__(
        self,
        image_id: str,
        image: Pixels,
        truth: Pixels,
        prediction: Pixels,
        *,
        uncertainty: npt.NDArray[np.float32],
        counts_CC: Counts,
    ) -> None:
        """Take an image (H, W, 3), its masks (H, W), uncertainty in [0, 1] (H, W), and its confusion matrix."""


def run(predictor: Predictor, manifest: Manifest, raw: Path, *, on_image: Listener | None = None) -> Scores:
    """Predict every test image and return the scores.

    Args:
        predictor: the model.
        manifest: the manifest of `raw`.
        raw: data/raw.
        on_image: called with each image, if given; its uncertainty is `Band.shade`.

    Raises:
        ValueError: the model's classes differ from those of the data.
    """
    spec, classes = predictor.spec, manifest.classes
    if spec.classes.names != classes.names:
        raise ValueError(
            f"expected a model of the classes {classes.names}, got one of {spec.classes.names}; run train again"
        )
    test = scored_images(manifest)
    counted = _count(predictor, test, raw, on_image)
    return Scores(
        run=spec.run,
        dataset=manifest.dataset,
        test_data=digest(test),
        names=classes.names,
        ids=tuple(test["id"]),
        sequences=tuple(test["sequence"]),
        counts=counted.pixels,
        boundaries=counted.boundaries,
        reliability=counted.reliability,
        split=manifest.scored_split,
    )


@dataclass(frozen=True)
class _Counted:
    """What was counted on each image, and the reliability over all of them."""

    pixels: Counts
    """(N, C, C) int64."""
    boundaries: Counts
    """(N, C, 5) int64."""
    reliability: Reliability


def _count(predictor: Predictor, test: pd.DataFrame, raw: Path, on_image: Listener | None) -> _Counted:
    """Predict every test image, and count; only what is counted grows with their number."""
    num_classes = len(predictor.spec.classes)
    pixels_NCC = np.zeros((len(test), num_classes, num_classes), np.int64)
    boundaries_NC5 = np.zeros((len(test), num_classes, len(boundary.COLUMNS)), np.int64)
    nothing = np.zeros(0, np.int64)
    total = Reliability(nothing, nothing, nothing.astype(np.float64))
    files, console, cores = RawFiles(raw), Console(stderr=True), os.cpu_count() or 1

    def count_boundaries(i: int, mask: Pixels, truth: Pixels) -> None:
        boundaries_NC5[i] = boundary.counts(mask, truth, num_classes)

    rows = enumerate(test[["id", "image", "mask"]].itertuples(index=False))
    shown = track(rows, "evaluate", len(test), console=console, disable=not console.is_terminal)
    counting = deque[Future[None]]()
    with ThreadPoolExecutor(cores) as threads:
        for i, (image_id, image_place, mask_place) in shown:
            image, truth = read_image(files.source(image_place)), read_mask(files.source(mask_place))
            mask, uncertainty, calibration = _predict(predictor, image, truth)
            pixels_NCC[i] = metrics.confusion_matrix(torch.from_numpy(mask), torch.from_numpy(truth), num_classes)
            # Counting takes as long as predicting, on one core, and goes on while the next images are predicted.
            counting.append(threads.submit(count_boundaries, i, mask, truth))
            if len(counting) > cores:
                counting.popleft().result()  # so that few masks wait
            total = calibration if i == 0 else total + calibration
            if on_image is not None:
                on_image(image_id, image, truth, mask, uncertainty=uncertainty, counts_CC=pixels_NCC[i])
        for each in counting:
            each.result()
    return _Counted(pixels_NCC, boundaries_NC5, total)


def scored_images(manifest: Manifest) -> pd.DataFrame:
    """Return the rows of the images that models are scored on, ordered by id."""
    return manifest.usable[manifest.usable["split"] == manifest.scored_split].sort_values("id")


def recorded(scores: Scores) -> dict[str, float]:
    """Return the metrics under the names that MLflow keeps them by: test/miou, or val_images/miou of validation images.

    In training, val/miou is that of the validation tiles.
    """
    prefix = "test" if scores.split == "test" else f"{scores.split}_images"
    return {f"{prefix}/{name.removeprefix('test/')}": value for name, value in scores.metrics.items()}


def in_words(scores: Scores) -> str:
    """Return the headline scores as one line; it says so if there are no test images."""
    shown = ", ".join(f"{name.removeprefix('test/')} {scores.metrics[name]:.4f}" for name in HEADLINE)
    note = "" if scores.split == "test" else "; there are no test images, and these chose the epoch"
    return f"{len(scores.ids)} {scores.split} images, {shown}{note}"


def _predict(predictor: Predictor, image: Pixels, truth: Pixels) -> tuple[Pixels, npt.NDArray[np.float32], Reliability]:
    """Return mask, uncertainty and calibration counts of the prediction, in one pass."""
    mask, uncertainty = np.empty(truth.shape, np.uint8), np.empty(truth.shape, np.float32)
    reliabilities = []
    for band in predictor.bands(image):
        mask[band.rows] = band.mask.cpu().numpy()
        uncertainty[band.rows] = band.shade.cpu().numpy()
        target = torch.from_numpy(truth[band.rows]).to(band.mask.device)
        reliabilities.append(reliability(band.probabilities, band.mask, target))
    return mask, uncertainty, sum(reliabilities[1:], start=reliabilities[0])


def intervals(scores: Scores, settings: Evaluate) -> Intervals:
    """Return how much the scores would vary with other test images; blocks of neighbouring images are resampled."""
    clusters = bootstrap.blocks(scores.sequences, settings.images_per_block)
    resampling = Resampling(clusters, settings.resamples, settings.level, settings.seed)
    pixel_scores = bootstrap.intervals(scores.counts, resampling)
    (boundary_f1,) = bootstrap.mean_intervals(boundary.scores(scores.boundaries).image_f1s[:, None], resampling)
    named: dict[str, Interval] = {
        "miou": pixel_scores.miou,
        "class_accuracy": pixel_scores.class_accuracy,
        "global_accuracy": pixel_scores.global_accuracy,
        "boundary_f1": boundary_f1,
        **{f"iou/{name}": interval for name, interval in zip(scores.names, pixel_scores.class_ious, strict=True)},
    }
    method = (
        f"{settings.resamples} resamples of {clusters.max() + 1} blocks of up to {settings.images_per_block} "
        "neighbouring images of a sequence"
    )
    return Intervals(settings.level, method, {name: (interval.low, interval.high) for name, interval in named.items()})


def digest(test: pd.DataFrame) -> str:
    """Return the SHA-256 over the SHA-256s of the test images and masks, ordered by id."""
    ordered = test.sort_values("id")
    lines = "".join(f"{a}  {b}\n" for a, b in zip(ordered["sha256"], ordered["mask_sha256"], strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()
