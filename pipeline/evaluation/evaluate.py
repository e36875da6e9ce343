"""The evaluate step: predicts the full images of the test split and scores them against their masks at full size.

Where a data set has no test split, the images are those of val, which chose the best epoch: the scores say so.
"""

import hashlib
from pathlib import Path

import pandas as pd

from pipeline.artifacts.manifest import USABLE, Rows
from pipeline.artifacts.scores import HEADLINE, Intervals, Scores
from pipeline.core import bootstrap, boundary
from pipeline.core.bootstrap import Interval, Resampling
from pipeline.evaluation.counting import Listener, count
from pipeline.inference.predict import Predictor
from pipeline.params.evaluation import Evaluate
from pipeline.params.steps import Placement

_NEEDED = ("id", "split", "sequence", "sha256", "mask_sha256", *USABLE)


def run(
    predictor: Predictor,
    manifest: Rows,
    raw: Path,
    *,
    on_image: Listener | None = None,
    placement: Placement | None = None,
) -> Scores:
    """Predict every test image and return the scores.

    Args:
        predictor: the model.
        manifest: the manifest of `raw`.
        raw: data/raw.
        on_image: called with each image, if given; its uncertainty is `Band.shade`.
        placement: which nodes of the cluster predict, if RAY_ADDRESS names one; None: this process does.

    Raises:
        ValueError: the model's classes differ from those of the data, or what is stored is no manifest.
        ClusterError: the cluster has no such nodes, or lost too many of them.
    """
    spec, classes = predictor.spec, manifest.classes
    if spec.classes.names != classes.names:
        raise ValueError(
            f"expected a model of the classes {classes.names}, got one of {spec.classes.names}; run train again"
        )
    test = scored_images(manifest)
    counted = count(predictor, test, raw, on_image, placement)
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


def scored_images(manifest: Rows) -> pd.DataFrame:
    """Return the rows of the images that models are scored on, ordered by id."""
    usable = (part.usable for part in manifest.parts(_NEEDED))
    scored = [images[images["split"] == manifest.scored_split] for images in usable]
    return pd.concat(scored, ignore_index=True).sort_values("id")


def recorded_name(split: str, name: str) -> str:
    """Return the name that MLflow keeps a metric of a split's images by: test/miou, or val_images/miou.

    In training, val/miou is that of the validation tiles.
    """
    return f"{'test' if split == 'test' else f'{split}_images'}/{name}"


def recorded(scores: Scores) -> dict[str, float]:
    """Return the metrics under the names that MLflow keeps them by."""
    return {recorded_name(scores.split, name.removeprefix("test/")): value for name, value in scores.metrics.items()}


def in_words(scores: Scores) -> str:
    """Return the headline scores as one line; it says so if there are no test images."""
    shown = ", ".join(f"{name.removeprefix('test/')} {scores.metrics[name]:.4f}" for name in HEADLINE)
    note = "" if scores.split == "test" else "; there are no test images, and these chose the epoch"
    return f"{len(scores.ids)} {scores.split} images, {shown}{note}"


def intervals(scores: Scores, settings: Evaluate) -> Intervals:
    """Return how much the scores would vary with other test images; blocks of neighbouring images are resampled."""
    clusters = bootstrap.blocks(scores.sequences, scores.ids, settings.images_per_block)
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
