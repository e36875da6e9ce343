"""The registered model: encoded images in, masks out. MLflow runs a copy of this file inside every version.

It is loaded where this repository is absent: the version also holds a copy of the files in `CODE`, and of the model's
folder. Importing it imports MLflow.
"""

import io
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

from pipeline import predict
from pipeline.files import images

CODE = (
    "__init__.py",
    "core/__init__.py",
    "core/classes.py",
    "core/folding.py",
    "core/models/__init__.py",
    "core/models/basic.py",
    "core/models/bayesian.py",
    "core/models/decoder_study.py",
    "core/models/deconvnet.py",
    "core/models/deeplab_largefov.py",
    "core/models/encoder_decoder.py",
    "core/models/fcn.py",
    "core/models/parts.py",
    "core/models/segnet.py",
    "core/models/unet.py",
    "core/models/vgg.py",
    "core/pooling.py",
    "core/pooling_cpu.py",
    "core/stitching.py",
    "core/tiles.py",
    "files/__init__.py",
    "files/atomic.py",
    "files/checkpoint.py",
    "files/images.py",
    "predict.py",
)
"""Files of the package `pipeline` that prediction needs."""

_PACKAGES = ("mlflow", "numpy", "pandas", "pillow", "safetensors", "torch")


class ServedModel(PythonModel):
    """Column `image` (encoded images of any size, or uint8 arrays (H, W, 3)) to column `mask` (index masks as PNG).

    With the param `probabilities`, also a column of that name: a float32 array (C, H, W) in NumPy's .npy format.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's folder."""
        folder = Path(context.artifacts["model"])
        self._predictor = predict.load(folder, **context.model_config["serving"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return one row for each row of `model_input`.

        Raises:
            MlflowException: a row holds no image that can be read; a server answers 400 with the reason.
        """
        pictures = [_pixels(row, value) for row, value in enumerate(model_input["image"])]
        if not (params or {}).get("probabilities", False):
            return pd.DataFrame({"mask": [images.encode_png(self._predictor.mask(p)) for p in pictures]})
        probabilities = [self._predictor.probabilities(p) for p in pictures]
        masks = [images.encode_png(p.argmax(axis=0).astype(np.uint8)) for p in probabilities]
        return pd.DataFrame({"mask": masks, "probabilities": [_npy(p) for p in probabilities]})


def signature() -> ModelSignature:
    """Return the columns and params that the model takes and gives."""
    question: list[ColSpec | TensorSpec] = [ColSpec(DataType.binary, "image")]
    answer: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.binary, "mask"),
        ColSpec(DataType.binary, "probabilities", required=False),
    ]
    return ModelSignature(
        inputs=Schema(question),
        outputs=Schema(answer),
        params=ParamSchema([ParamSpec("probabilities", DataType.boolean, default=False)]),
    )


def example() -> pd.DataFrame:
    """Return a request of one small picture: a colour gradient of 48 x 64 pixels."""
    red, green = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    pixels = np.stack([red, green, np.full_like(red, 128)], axis=2).astype(np.uint8)
    return pd.DataFrame({"image": [images.encode_png(pixels)]})


def requirements() -> list[str]:
    """Return the packages it needs, at the versions installed here, as pip writes them."""
    # A local version such as 2.13.0+cpu names a build that other machines may not find.
    return [f"{package}=={metadata.version(package).partition('+')[0]}" for package in _PACKAGES]


def _pixels(row: int, value: Any) -> images.Pixels:
    if isinstance(value, bytes):
        try:
            return images.read_image(value)
        except images.ImageError as err:
            raise _refusal(row, str(err)) from err
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape[2:] == (3,) and value.size:
        return value
    kind = f"an array {value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise _refusal(row, f"expected an encoded image, or a uint8 array (H, W, 3), got {kind}")


def _refusal(row: int, reason: str) -> MlflowException:
    return MlflowException(f"image of row {row}: {reason}", INVALID_PARAMETER_VALUE)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


mlflow.models.set_model(ServedModel())  # how MLflow finds the model in this file
