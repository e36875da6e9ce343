"""What a notebook needs: load a predictor, read an image, predict it, draw the mask over it, read scores."""

from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.files import csv_table, images, pictures
from pipeline.inference import predict as inference
from pipeline.inference.predict import Predictor
from pipeline.registry import model_files


def load_predictor(model: str | PathLike[str] = "models/segnet") -> Predictor:
    """Return a model that predicts images of any size, on the GPU if there is one.

    Args:
        model: its folder, or models:/NAME@ALIAS or models:/NAME/NUMBER in the store that MLFLOW_TRACKING_URI names. A
            registered one predicts with the options that it was registered with.

    Raises:
        ValueError: there is no such model.
    """
    with model_files.located(str(model)) as (folder, options):
        return inference.load(folder, **{**inference.PLAIN, **options})


def read_image(path: str | PathLike[str]) -> Pixels:
    """Return an image file as RGB, (H, W, 3) uint8, upright by its EXIF orientation.

    Raises:
        ValueError: it cannot be read exactly; the message says why.
    """
    return images.read_image(Path(path))


def predict(predictor: Predictor, image: Pixels) -> Pixels:
    """Return the class of each pixel, (H, W) uint8: positions in `predictor.spec.classes.names`.

    Args:
        predictor: of `load_predictor`.
        image: (H, W, 3) uint8, RGB in 0..255, of any size.

    Raises:
        ValueError: the image is no array, has another shape or dtype, or is empty.
    """
    _check_image(image)
    return predictor.mask(image)


def draw_overlay(image: Pixels, mask: Pixels, classes: ClassTable) -> Pixels:
    """Return an image (H, W, 3) with a mask (H, W) laid over it in its classes' colours, (H, W, 3) uint8.

    Args:
        image: uint8, RGB.
        mask: integers, predicted or true: positions in `classes.names`, or their number for void.
        classes: `predictor.spec.classes`.

    Raises:
        ValueError: one of them is no array or has another shape or dtype, they differ in size, or the mask has other
            values.
    """
    _check_image(image)
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype.kind not in "iu":
        raise ValueError(f"expected a mask (H, W) of integers, got {_described(mask)}; predict returns one")
    if image.shape[:2] != mask.shape:
        raise ValueError(f"expected a mask of the image's size {image.shape[:2]}, got {mask.shape}; pass its own mask")
    if not 0 <= mask.min() <= mask.max() <= classes.void:
        other = mask.min() if mask.min() < 0 else mask.max()
        raise ValueError(
            f"expected a mask of 0 to {classes.void - 1}, or {classes.void} for void, got {other}; number the classes "
            "as predictor.spec.classes.names does"
        )
    return pictures.overlay(image, mask, classes)


def _check_image(image: object) -> None:
    if not isinstance(image, np.ndarray) or image.shape[2:] != (3,) or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            f"expected an RGB image (H, W, 3) of uint8 in 0..255, got {_described(image)}; read_image returns one"
        )


def _described(value: object) -> str:
    return f"{value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def read_scores(reports: str | PathLike[str] = "reports") -> pd.DataFrame:
    """Return the scores of each class on the test images, a row per class with its name as index, as fractions.

    Args:
        reports: the folder into which the evaluate stage wrote.

    Raises:
        ValueError: the evaluate stage did not write there.
    """
    path = Path(reports) / "classes.csv"
    try:
        rows = csv_table.read(path)
        return pd.DataFrame(rows).set_index("class").replace("", "nan").astype(float)
    except (OSError, ValueError, KeyError) as err:
        raise ValueError(f"{path}: expected the scores that the evaluate stage wrote: {err}; run dvc repro") from err
