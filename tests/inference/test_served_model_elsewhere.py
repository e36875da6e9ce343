"""The registered model where this repository is absent: in a bare environment, and as a batch by MLflow's command."""

import base64
import json
import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
import pytest
from packaging.requirements import Requirement

from pipeline.files import images
from pipeline.files.images import read_mask
from tests.support.tiny_version import PICTURE

pytestmark = pytest.mark.slow


def closure(*names):
    """The installed packages of these names, and what they require."""
    distributions, asked = {}, [(name, "") for name in names]
    for name, extra in asked:  # grows during the loop
        distributions.setdefault(name, metadata.distribution(name))
        for requirement in map(Requirement, distributions[name].requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                wanted = [(requirement.name, each) for each in ("", *requirement.extras)]
                asked += [each for each in wanted if each not in asked]
    return distributions.values()


@pytest.fixture
def bare_python():
    """The Python of an environment that holds only these packages and their requirements."""
    packages = closure("mlflow", "torch", "numpy", "pillow", "safetensors")
    tops = {package.locate_file(file.parts[0]) for package in packages for file in package.files}
    with TemporaryDirectory() as root:
        venv.create(root)
        (site_packages,) = Path(root).glob("lib/python*/site-packages")
        for top in tops:  # folders, modules and metadata; the commands lie elsewhere
            if top.name not in ("..", "__pycache__") and top.exists():
                (site_packages / top.name).symlink_to(top)
        yield Path(root, "bin/python")


BARE = """
import importlib.util, sys
for name in ("pipeline", "ray", "dvc", "great_expectations", "typer", "rich", "pooch", "psutil"):
    assert importlib.util.find_spec(name) is None, f"{name} can be imported"
import mlflow, pandas
def refuse(event, arguments):
    if event == "pickle.find_class":
        raise AssertionError(f"unpickled: {arguments}")
sys.addaudithook(refuse)
model = mlflow.pyfunc.load_model(sys.argv[1])
answer = model.predict(pandas.DataFrame({"image": [open(sys.argv[2], "rb").read()]}))
open(sys.argv[3], "wb").write(answer["mask"].iloc[0])
import pipeline
assert pipeline.__file__.startswith(sys.argv[1]), pipeline.__file__
"""


def test_a_bare_environment_loads_the_version_and_predicts_without_unpickling(bare_python, version, mask, tmp_path):
    copy = mlflow.artifacts.download_artifacts(version, dst_path=str(tmp_path / "copy"))
    (tmp_path / "picture.png").write_bytes(images.encode_png(PICTURE))
    safe = {"PATH": os.defpath, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [bare_python, "-IB", "-c", BARE, copy, "picture.png", "mask.png"]
    subprocess.run(command, check=True, cwd=tmp_path, env=safe)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), mask(PICTURE))


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_batch_gets_the_predictors_masks(kind, version, settings, mask, tmp_path):
    pictures = [PICTURE, PICTURE[::-1, :33].copy()]
    encoded = [base64.b64encode(images.encode_png(picture)).decode() for picture in pictures]
    table = {"dataframe_split": {"columns": ["image"], "data": [[value] for value in encoded]}}
    (tmp_path / "input").write_text(json.dumps(table) if kind == "json" else "\n".join(["image", *encoded]))
    command = ["models", "predict", "--model-uri", version, "--env-manager", "local", "--content-type", kind]
    files = ["--input-path", "input", "--output-path", "output.json"]
    command = [sys.executable, "-m", "mlflow", *command, *files]
    subprocess.run(command, check=True, cwd=tmp_path, env=os.environ | settings)
    rows = json.loads((tmp_path / "output.json").read_text())["predictions"]
    for row, picture in zip(rows, pictures, strict=True):
        np.testing.assert_array_equal(read_mask(base64.b64decode(row["mask"])), mask(picture))
