import base64
import io
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import grimp
import mlflow
import numpy as np
import pandas as pd
import pytest
from local_server import serving
from mlflow.exceptions import MlflowException
from PIL import Image
from tiny_model import write_model

from pipeline import predict, served_model
from pipeline.core.classes import CAMVID
from pipeline.files import checkpoint, images
from pipeline.tracking import registry, runs, store

OPTIONS = {"overlap": 0.25, "flip": True, "samples": 0, "seed": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "segnet")


@pytest.fixture(scope="module")
def version(folder, mlflow_file):
    """The same as a registered version: its MLflow address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_file)
        run = runs.start("served", "run-a")
        spec = asdict(checkpoint.read_spec(folder))
        tags = {"fingerprint": "a"}
        number = registry.register(run, "segnet-served", folder, OPTIONS, spec, tags=tags, description="")
        yield f"models:/segnet-served/{number}"


@pytest.fixture(scope="module")
def copy(version, tmp_path_factory):
    """Its files, as a server fetches them."""
    return Path(mlflow.artifacts.download_artifacts(version, dst_path=str(tmp_path_factory.mktemp("copy"))))


@pytest.fixture(scope="module")
def model(version):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", sys.path.copy())  # MLflow puts the model's copy of our code first on it
        yield mlflow.pyfunc.load_model(version)


@pytest.fixture(scope="module")
def pictures():
    """Two pictures of other sizes than the model's tiles."""
    source = np.random.default_rng(0)
    return [source.integers(0, 256, size, np.uint8) for size in ((40, 70, 3), (33, 31, 3))]


@pytest.fixture(scope="module")
def predictor(folder):
    return predict.load(folder, **OPTIONS)


def decoded(masks):
    return [images.read_mask(mask) for mask in masks]


def assert_all_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_encoded_images_of_any_size_give_the_predictors_masks(model, predictor, pictures):
    answer = model.predict(pd.DataFrame({"image": [images.encode_png(p) for p in pictures]}))
    assert list(answer.columns) == ["mask"]
    assert_all_equal(decoded(answer["mask"]), [predictor.mask(p) for p in pictures])
    assert len(np.unique(decoded(answer["mask"])[0])) > 1


def test_arrays_give_the_same_as_encoded_images(model, predictor, pictures):
    answer = model.predict(pd.DataFrame({"image": pictures}))
    assert_all_equal(decoded(answer["mask"]), [predictor.mask(p) for p in pictures])


def test_a_jpeg_is_an_image_too(model, predictor, pictures):
    buffer = io.BytesIO()
    Image.fromarray(pictures[0]).save(buffer, "JPEG")
    answer = model.predict(pd.DataFrame({"image": [buffer.getvalue()]}))
    seen = np.array(Image.open(buffer).convert("RGB"))
    assert_all_equal(decoded(answer["mask"]), [predictor.mask(seen)])


def test_probabilities_come_on_request_and_agree_with_the_masks(model, predictor, pictures):
    request = pd.DataFrame({"image": [images.encode_png(p) for p in pictures]})
    answer = model.predict(request, params={"probabilities": True})
    found = [np.load(io.BytesIO(value), allow_pickle=False) for value in answer["probabilities"]]
    assert [(p.shape, p.dtype) for p in found] == [((11, 40, 70), np.float32), ((11, 33, 31), np.float32)]
    for one, picture in zip(found, pictures, strict=True):
        np.testing.assert_allclose(one, predictor.probabilities(picture), atol=1e-6)
    assert_all_equal(decoded(answer["mask"]), [p.argmax(axis=0) for p in found])


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"no image", r"row 0: expected an image file"),
        (images.encode_png(np.zeros((32, 32, 3), np.uint8))[:-30], "row 0: expected a whole image file"),
        (np.zeros((32, 32), np.uint8), r"row 0: expected an encoded image, .* got an array \(32, 32\) of uint8"),
        (np.zeros((4, 4, 3), np.float32), r"got an array \(4, 4, 3\) of float32"),
        (np.zeros((0, 4, 3), np.uint8), r"got an array \(0, 4, 3\) of uint8"),
        ("cat.png", "row 0: expected an encoded image, or a uint8 array .* got str"),
    ],
)
def test_what_is_no_image_is_refused_with_its_row_and_reason(model, image, reason):
    with pytest.raises(MlflowException, match=reason) as caught:
        model.predict(pd.DataFrame({"image": [image]}))
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert caught.value.get_http_status_code() == 400


def test_the_version_says_what_it_takes_and_gives(model):
    signature = model.metadata.signature.to_dict()
    assert json.loads(signature["inputs"]) == [{"type": "binary", "name": "image", "required": True}]
    assert json.loads(signature["outputs"]) == [
        {"type": "binary", "name": "mask", "required": True},
        {"type": "binary", "name": "probabilities", "required": False},
    ]
    (param,) = json.loads(signature["params"])
    assert (param["name"], param["default"], param["type"]) == ("probabilities", False, "boolean")


def test_the_version_holds_classes_colours_and_an_example(model):
    assert tuple(model.metadata.metadata["classes"]["names"]) == CAMVID.names
    assert model.metadata.metadata["classes"]["colours"][3] == [128, 64, 128]
    example = model.input_example["image"].iloc[0]
    assert images.read_image(example).shape == (48, 64, 3)


def test_the_version_belongs_to_the_training_run_and_its_experiment(version, mlflow_file):
    client = store.client(mlflow_file)
    found = client.get_model_version("segnet-served", version.rpartition("/")[2])
    run = client.get_run(found.run_id)
    assert run.data.tags["training_run"] == "run-a"
    logged = client.get_logged_model(found.source.rpartition("/")[2])
    assert logged.experiment_id == run.info.experiment_id
    assert "/mlartifacts/" in logged.artifact_location


def test_the_packages_are_pinned_to_public_versions(copy):
    pins = (copy / "requirements.txt").read_text().split()
    installed = ("mlflow", "numpy", "pandas", "pillow", "safetensors", "torch")
    assert pins == [f"{name}=={metadata.version(name).split('+')[0]}" for name in installed]


def test_nothing_in_the_version_is_pickled(copy):
    kinds = {path.suffix for path in copy.rglob("*") if path.is_file()}
    assert kinds <= {"", ".json", ".py", ".safetensors", ".txt", ".yaml"}


def test_the_version_holds_just_the_code_that_prediction_imports():
    graph = grimp.build_graph("pipeline")
    modules = {"pipeline.predict"} | graph.find_upstream_modules("pipeline.predict")
    packages = {name.rpartition(".")[0] for name in modules}
    root = Path(served_model.__file__).parent.parent
    files = {name.replace(".", "/") + ("/__init__.py" if graph.find_children(name) else ".py") for name in modules}
    files |= {package.replace(".", "/") + "/__init__.py" for package in packages}
    assert set(served_model.CODE) == {file.removeprefix("pipeline/") for file in files}
    assert all((root / file).is_file() for file in files)
    assert list(served_model.CODE) == sorted(served_model.CODE)


ELSEWHERE = """
import importlib.util, sys
sys.path = [entry for entry in sys.path if entry != {repository!r}]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
assert importlib.util.find_spec("pipeline") is None, "the repository can still be imported"
import mlflow, numpy, pandas
model = mlflow.pyfunc.load_model({copy!r})
answer = model.predict(pandas.DataFrame({{"image": [open({picture!r}, "rb").read()]}}))
open({mask!r}, "wb").write(answer["mask"].iloc[0])
import pipeline
assert pipeline.__file__.startswith({copy!r}), pipeline.__file__
"""


@pytest.mark.slow
def test_the_version_is_loaded_where_this_repository_is_absent(copy, predictor, pictures, tmp_path):
    (tmp_path / "picture.png").write_bytes(images.encode_png(pictures[0]))
    names = {"picture": str(tmp_path / "picture.png"), "mask": str(tmp_path / "mask.png"), "copy": str(copy)}
    code = ELSEWHERE.format(repository=str(Path(served_model.__file__).parent.parent), **names)
    safe = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PYTHONPATH": ""}
    subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd=tmp_path, env=safe)
    assert_all_equal([images.read_mask(tmp_path / "mask.png")], [predictor.mask(pictures[0])])


@pytest.fixture
def address(version, mlflow_file, tmp_path):
    """The address of a real model server."""
    settings = {"MLFLOW_TRACKING_URI": mlflow_file, "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    command = ["models", "serve", "--model-uri", version, "--env-manager", "local"]
    with serving(tmp_path, *command, health="/ping", **settings) as address:
        yield f"{address}/invocations"


def post(address, columns, rows, **more):
    body = json.dumps({"dataframe_split": {"columns": columns, "data": rows}, **more}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as err:
        return err.code, err.read().decode()


@pytest.mark.slow
def test_a_real_server_answers_a_posted_image_and_survives_bad_requests(address, predictor, pictures):
    image = base64.b64encode(images.encode_png(pictures[0])).decode()
    status, answer = post(address, ["image"], [[image]])
    assert status == 200
    (row,) = answer["predictions"]
    mask = images.read_mask(base64.b64decode(row["mask"]))
    assert_all_equal([mask], [predictor.mask(pictures[0])])

    for columns, value, reason in [
        (["image"], base64.b64encode(b"a text").decode(), "image of row 0: expected an image file"),
        (["image"], "%%%", "image of row 0: expected an image file"),
        (["image"], 7, "image"),
        (["picture"], image, r"Model is missing inputs ['image']"),
    ]:
        status, message = post(address, columns, [[value]])
        assert status == 400
        assert reason in message

    status, answer = post(address, ["image"], [[image], [image]], params={"probabilities": True})
    assert status == 200
    stored = base64.b64decode(answer["predictions"][1]["probabilities"])
    probabilities = np.load(io.BytesIO(stored), allow_pickle=False)
    np.testing.assert_allclose(probabilities, predictor.probabilities(pictures[0]), atol=1e-5)
