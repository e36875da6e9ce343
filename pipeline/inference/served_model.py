"""The registered model: encoded images in, masks out. MLflow runs a copy of this file inside every version.

It must load where this repository is absent: the version also holds a copy of the files that it imports, and of the
model's folder. Importing it imports MLflow.
"""

import base64
import io
import threading
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
from pipeline.inference import predict

MAX_PIXELS = 4096 * 4096
"""Per image: about as many as a narrow model predicts on two cores within the minute that MLflow's server waits."""

_PACKAGES = ("mlflow", "numpy", "pandas", "pillow", "pydantic", "safetensors", "torch")


class ServedModel(PythonModel):
    """Column `image` (encoded images, also in base64, or uint8 arrays (H, W, 3)) to column `mask` (index masks as PNG).

    With the param `probabilities`, also a column of that name: a float32 array (C, H, W) in NumPy's .npy format.
    Arrays are RGB in 0..255: the client normalises nothing.
    """

    def __init__(self) -> None:
        """Create an empty model, which MLflow fills by `load_context`."""
        self._lock = threading.Lock()

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model from its folder."""
        folder = Path(context.artifacts["model"])
        self._predictor = predict.load(folder, **context.model_config["serving"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return one row for each row of `model_input`.

        Raises:
            MlflowException: there is no row or no column `image`, or a row holds no readable image or one of more than
                MAX_PIXELS (with probabilities: divided by the number of classes); a server answers 400 with the reason.
        """
        if model_input.empty:
            raise MlflowException("expected at least one image, got no rows", INVALID_PARAMETER_VALUE)
        if "image" not in model_input:
            raise MlflowException(f"expected a column image, got {list(model_input)}", INVALID_PARAMETER_VALUE)
        probabilities = bool((params or {}).get("probabilities", False))
        max_pixels = MAX_PIXELS // (len(self._predictor.spec.classes) if probabilities else 1)
        rows = list(enumerate(model_input["image"]))
        # A server calls this from several threads: one at a time, they neither add up memory nor share dropout's
        # generator.
        with self._lock:
            for row, value in rows:  # checked before any work; keeping them decoded would fill the memory
                _pixels(row, value, max_pixels)
            return pd.DataFrame([self._answer(_pixels(row, value, max_pixels), probabilities) for row, value in rows])

    def _answer(self, image: Pixels, probabilities: bool) -> dict[str, bytes]:
        if not probabilities:
            return {"mask": images.encode_png(self._predictor.mask(image))}
        values_CHW = self._predictor.probabilities(image)
        mask = values_CHW.argmax(axis=0).astype(np.uint8)
        return {"mask": images.encode_png(mask), "probabilities": _npy(values_CHW)}


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


def _pixels(row: int, value: Any, max_pixels: int) -> Pixels:
    """Return the image of a row; `max_pixels` limits encoded ones."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape[2:] == (3,) and value.size:
        return value
    if not isinstance(value, bytes | str):
        kind = f"an array {value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise _refusal(row, f"expected an encoded image, or a uint8 array (H, W, 3), got {kind}")
    try:
        encoded = value if isinstance(value, bytes) else _from_base64(value)
        _, height, width = images.read_header(encoded)
        if height * width > max_pixels:
            got = f"{width} x {height}; cut it into parts, or call segnet predict"
            raise images.ImageError(f"expected at most {max_pixels:,} pixels, got {got}")
        return images.read_image(encoded)
    except images.ImageError as err:
        raise _refusal(row, str(err)) from err


def _from_base64(text: str) -> bytes:
    """Decode base64, which MLflow does itself in JSON, but not in CSV and Parquet."""
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
