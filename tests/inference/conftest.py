"""A model as a registered version, for tests of what serves it."""

import numpy as np
import pytest

from pipeline.inference import predict
from tests.support.tiny_model import write_model
from tests.support.tiny_version import OPTIONS, PICTURE, registered


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "segnet")


@pytest.fixture(scope="module")
def mask(folder):
    """A function from an image to the model's mask; PICTURE's has several classes."""
    predictor = predict.load(folder, **predict.PLAIN | OPTIONS)
    assert len(np.unique(predictor.mask(PICTURE))) > 1
    return predictor.mask


@pytest.fixture(scope="module")
def version(folder, mlflow_file, request):
    """The address in MLflow of the same model as a registered version; each test module has a registered model."""
    name = f"segnet-{request.module.__name__.rpartition('_')[2]}"
    with registered(name, folder, mlflow_file) as address:
        yield address


@pytest.fixture(scope="module")
def settings(mlflow_file):
    return {
        "MLFLOW_TRACKING_URI": mlflow_file,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "OMP_NUM_THREADS": "1",
    }
