"""The registered model: encoded images in, masks out. MLflow runs a copy of this file inside every version.

It must load where this repository is absent: the version also holds a copy of the files that it imports, and of the
model's folder. Importing it imports MLflow.
"""

import base64
import io
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from pipeline.core.arrays import Pixels
from pipeline.files import images
from pipeline.files.fair_lock import FairLock
from pipeline.inference import predict
from pipeline.inference.band import Band

MAX_PIXELS = 4096 * 4096
"""Of all images of a request together: about as many as a narrow model predicts on two cores within the minute after
which MLflow's server answers 504, while the work that it gave up goes on."""

_PACKAGES = ("mlflow", "numpy", "pandas", "pillow", "pydantic", "safetensors", "torch")


class ServedModel(PythonModel):
    """Column `image` (encoded images, also in base64, or uint8 arrays (H, W, 3)) to column `mask` (index masks as PNG).

    With the param `probabilities`, also a column of that name: a float32 array (C, H, W) in NumPy's .npy format.
    Arrays are RGB in 0..255: the client normalises nothing.
    """

    def __init__(self) -> None:
        """Create an empty model, which MLflow fills by `load_context`."""
        # A server calls `predict` from several threads. One at a time, they share neither the cores nor dropout's
        # generator; in the order of asking, a small request waits for a band of a large one, not for all of it.
        self._turn = FairLock()

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model from its folder."""
        folder = Path(context.artifacts["model"])
        self._predictor = predict.load(folder, **{**predict.PLAIN, **context.model_config["serving"]})

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return one row for each row of `model_input`, with its index.

        Raises:
            MlflowException: there is no row or no column `image`, a row holds no readable image, or they have more
                than MAX_PIXELS together (with probabilities: divided by the number of classes), which is known before
                any is decoded; a server answers 400 with the reason.
        """
        if model_input.empty:
            raise MlflowException("expected at least one image, got no rows", INVALID_PARAMETER_VALUE)
        if "image" not in model_input:
            raise MlflowException(f"expected a column image, got {list(model_input)}", INVALID_PARAMETER_VALUE)
        probabilities = bool((params or {}).get("probabilities", False))
        rows = [_stored(row, value) for row, value in enumerate(model_input["image"])]
        _check_pixels(rows, MAX_PIXELS // (len(self._predictor.spec.classes) if probabilities else 1))
        for row, stored in enumerate(rows):  # checked before any work; keeping them decoded would fill the memory
            self._decoded(row, stored)
        answers = (self._answer(self._decoded(row, stored), probabilities) for row, stored in enumerate(rows))
        return pd.DataFrame(list(answers), index=model_input.index)  # pandas aligns by it

    def _decoded(self, row: int, stored: "_Stored") -> Pixels:
        if isinstance(stored, np.ndarray):
            return stored
        try:
            with self._turn:
                return images.read_image(stored)
        except images.ImageError as err:
            raise _refusal(row, str(err)) from err

    def _answer(self, image: Pixels, probabilities: bool) -> dict[str, bytes]:
        mask_HW = np.empty(image.shape[:2], np.uint8)
        values_CHW = np.empty((len(self._predictor.spec.classes) if probabilities else 0, *mask_HW.shape), np.float32)
        for band in self._bands(image):
            mask_HW[band.rows] = band.mask.cpu().numpy()
            if probabilities:
                values_CHW[:, band.rows] = band.probabilities.cpu().numpy()
        mask = {"mask": images.encode_png(mask_HW)}
        return {**mask, "probabilities": _npy(values_CHW)} if probabilities else mask

    def _bands(self, image: Pixels) -> Iterator[Band]:
        """Yield the prediction in bands of rows; each is computed in a turn of its own."""
        bands = self._predictor.bands(image)
        while True:
            with self._turn:
                band = next(bands, None)
            if band is None:
                return
            yield band


def signature() -> ModelSignature:
    """Return the model's input and output columns, and its params."""
    inputs: list[ColSpec | TensorSpec] = [ColSpec(DataType.binary, "image")]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.binary, "mask"),
        ColSpec(DataType.binary, "probabilities", required=False),
    ]
    return ModelSignature(
        inputs=Schema(inputs),
        outputs=Schema(outputs),
        params=ParamSchema([ParamSpec("probabilities", DataType.boolean, default=False)]),
    )


def example() -> pd.DataFrame:
    """Return a request with one small image: a colour gradient of 48 x 64 pixels."""
    red, green = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    pixels = np.stack([red, green, np.full_like(red, 128)], axis=2).astype(np.uint8)
    return pd.DataFrame({"image": [images.encode_png(pixels)]})


def requirements() -> list[str]:
    """Return the packages that the model needs, pinned to the versions installed here, in pip's format."""
    # A local version such as 2.13.0+cpu names a build that other machines may not find.
    return [f"{package}=={metadata.version(package).partition('+')[0]}" for package in _PACKAGES]


_Stored = bytes | Pixels
"""An encoded image, or one that the caller has decoded."""


def _stored(row: int, value: Any) -> _Stored:
    """Return the image of a row as it came, without base64."""
    if isinstance(value, bytes):
        return _without_base64(value)
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape[2:] == (3,) and value.size:
        return value
    if not isinstance(value, str):
        kind = f"an array {value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise _refusal(row, f"expected an encoded image, or a uint8 array (H, W, 3), got {kind}")
    try:
        return _from_base64(value)
    except images.ImageError as err:
        raise _refusal(row, str(err)) from err


def _check_pixels(rows: list[_Stored], most: int) -> None:
    """Raise MlflowException if images have more than `most` pixels together; only their headers are read."""
    total = 0
    for row, stored in enumerate(rows):
        try:
            height, width = stored.shape[:2] if isinstance(stored, np.ndarray) else images.read_header(stored)[1:]
        except images.ImageError as err:
            raise _refusal(row, str(err)) from err
        if height * width > most:
            got = f"{width} x {height}; cut it into parts, or call segnet predict"
            raise _refusal(row, f"expected at most {most:,} pixels, got {got}")
        total += max(height, predict.SMALLEST) * max(width, predict.SMALLEST)  # as many are computed
    if total > most:
        least = f"a side shorter than {predict.SMALLEST} counts as {predict.SMALLEST}"
        raise MlflowException(
            f"expected at most {most:,} pixels in all images of a request, got {total:,} in {len(rows)} ({least}); "
            "send them in several requests, or call segnet predict",
            INVALID_PARAMETER_VALUE,
        )


def _without_base64(content: bytes) -> bytes:
    """Return an encoded image as it is, or out of base64, which MLflow leaves in JSON's `inputs` and `instances`."""
    try:
        images.read_header(content)
    except images.ImageError:
        with suppress(images.ImageError):
            return _from_base64(content.decode("latin-1"))
    return content


def _from_base64(text: str) -> bytes:
    """Decode base64, which MLflow does itself in data frames of JSON, but not in CSV and Parquet."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as err:
        raise images.ImageError(f"expected an image in base64: {err}") from err


def _refusal(row: int, reason: str) -> MlflowException:
    return MlflowException(f"image of row {row}: {reason}", INVALID_PARAMETER_VALUE)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


mlflow.models.set_model(ServedModel())  # how MLflow finds the model in this file
