"""The evaluate step: the test split, whole images, scored against their masks at full size."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track

from pipeline.core import metrics
from pipeline.core.classes import ClassTable
from pipeline.files import atomic
from pipeline.files.images import Pixels, encode_png, read_image, read_mask
from pipeline.files.manifest import Manifest
from pipeline.files.scores import Scores
from pipeline.predict import Predictor


def run(predictor: Predictor, manifest: Manifest, raw: Path, overlays: Path, *, num_overlays: int) -> Scores:
    """Predict every test image, return the scores, and draw some of the images into the folder `overlays`.

    Args:
        predictor: the model.
        manifest: of `raw`.
        raw: data/raw.
        overlays: made anew: <image>.png shows image, truth and prediction side by side, evenly spread over the split.
        num_overlays: how many.

    Raises:
        ValueError: the model's classes are not those of the data.
    """
    spec, classes = predictor.spec, manifest.classes
    if spec.classes.names != classes.names:
        raise ValueError(
            f"expected a model of the classes {classes.names}, got one of {spec.classes.names}; run train again"
        )
    test = manifest.images[manifest.images["split"] == "test"]
    drawn = set(np.linspace(0, len(test) - 1, min(num_overlays, len(test))).round().astype(int).tolist())
    confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    console = Console(stderr=True)
    with atomic.replacing(overlays) as temporary:
        temporary.mkdir()
        rows = track(test.itertuples(), "evaluate", len(test), console=console, disable=not console.is_terminal)
        for i, row in enumerate(rows):
            image, mask = read_image(raw / str(row.image)), read_mask(raw / str(row.mask))
            found = predictor.mask(image)
            confusion += metrics.confusion_matrix(torch.from_numpy(found), torch.from_numpy(mask), len(classes))
            if i in drawn:
                picture = encode_png(overlay(image, mask, found, classes))
                (temporary / f"{str(row.id).removeprefix('test/')}.png").write_bytes(picture)
    return Scores(spec.run, manifest.dataset, digest(test), len(test), classes.names, confusion.numpy())


def overlay(image: Pixels, truth: Pixels, found: Pixels, classes: ClassTable) -> Pixels:
    """Return image, truth and prediction side by side, (H, 3 W, 3) uint8; classes are painted at half strength.

    What the truth leaves void stays dark in both, so that they can be compared.
    """
    palette = classes.palette()
    painted = [
        image // 2 + palette[mask] // 2 for mask in (truth, np.where(truth == classes.void, classes.void, found))
    ]
    return np.concatenate([image, *painted], axis=1)


def digest(test: pd.DataFrame) -> str:
    """Return the SHA-256 over the test images' and masks' own SHA-256, in the order of their ids."""
    ordered = test.sort_values("id")
    lines = "".join(f"{a}  {b}\n" for a, b in zip(ordered["sha256"], ordered["mask_sha256"], strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()
