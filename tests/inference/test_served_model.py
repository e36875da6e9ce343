import base64
import io
import json
import pickletools
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from PIL import Image

from pipeline.core.classes import CAMVID
from pipeline.files import images
from pipeline.files.images import read_mask
from pipeline.inference import predict, served_model
from pipeline.tracking import store
from tests.support.tiny_model import SPEC, write_model
from tests.support.tiny_version import OPTIONS, PICTURE, registered


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "segnet")


@pytest.fixture(scope="module")
def version(folder, mlflow_file):
    """The address in MLflow of the same model as a registered version."""
    with registered("segnet-served", folder, mlflow_file) as address:
        yield address


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
    """Two images of sizes other than the model's tiles."""
    return [PICTURE, PICTURE[::-1][:33, :31].copy()]


@pytest.fixture(scope="module")
def predictor(folder):
    return predict.load(folder, **predict.PLAIN | OPTIONS)


def decoded(masks):
    return [read_mask(mask) for mask in masks]


def assert_all_equal(actual, expected):
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_encoded_images_of_any_size_give_the_predictors_masks(model, predictor, pictures):
    answer = model.predict(pd.DataFrame({"image": [images.encode_png(p) for p in pictures]}))
    assert list(answer.columns) == ["mask"]
    assert_all_equal(decoded(answer["mask"]), [predictor.mask(p) for p in pictures])
    assert len(np.unique(decoded(answer["mask"])[0])) > 1


def test_arrays_give_the_same_as_encoded_images(model, predictor, pictures):
    answer = model.predict(pd.DataFrame({"image": pictures}))
    assert_all_equal(decoded(answer["mask"]), [predictor.mask(p) for p in pictures])


def test_text_is_base64_since_mlflow_decodes_only_that_of_json(model, predictor, pictures):
    text = base64.encodebytes(images.encode_png(pictures[0])).decode()  # in lines, as the command base64 writes it
    answer = model.predict(pd.DataFrame({"image": [text]}))
    assert_all_equal(decoded(answer["mask"]), [predictor.mask(pictures[0])])


def test_rows_keep_their_index(model, predictor, pictures):
    frame = pd.DataFrame({"image": pictures}, index=["first", "second"])
    for turned in (frame, frame[::-1], frame[1:]):
        answer = model.predict(turned)["mask"]
        assert list(answer.index) == list(turned.index)
        np.testing.assert_array_equal(read_mask(answer["second"]), predictor.mask(pictures[1]))


def test_a_jpeg_is_an_image_too(model, predictor, pictures):
    buffer = io.BytesIO()
    Image.fromarray(pictures[0]).save(buffer, "JPEG")
    answer = model.predict(pd.DataFrame({"image": [buffer.getvalue()]}))
    seen = np.array(Image.open(buffer).convert("RGB"))
    assert_all_equal(decoded(answer["mask"]), [predictor.mask(seen)])


def test_probabilities_come_on_request_and_agree_with_the_masks(model, predictor, pictures):
    request = pd.DataFrame({"image": [images.encode_png(p) for p in pictures]})
    answer = model.predict(request, params={"probabilities": True})
    probabilities = [np.load(io.BytesIO(value), allow_pickle=False) for value in answer["probabilities"]]
    assert [(p.shape, p.dtype) for p in probabilities] == [((11, 40, 70), np.float32), ((11, 33, 31), np.float32)]
    for one, picture in zip(probabilities, pictures, strict=True):
        np.testing.assert_allclose(one, predictor.probabilities(picture), atol=1e-6)
    assert_all_equal(decoded(answer["mask"]), [p.argmax(axis=0) for p in probabilities])


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"no image", r"row 0: expected an image"),
        (images.encode_png(np.zeros((32, 32, 3), np.uint8))[:-30], "row 0: expected a complete image file"),
        (np.zeros((32, 32), np.uint8), r"row 0: expected an encoded image, .* got an array \(32, 32\) of uint8"),
        (np.zeros((4, 4, 3), np.float32), r"got an array \(4, 4, 3\) of float32"),
        (np.zeros((0, 4, 3), np.uint8), r"got an array \(0, 4, 3\) of uint8"),
        (np.full((4, 4, 3), np.nan), r"got an array \(4, 4, 3\) of float64"),
        (7, "Incompatible input types for column image. Can not safely convert int64"),
        (None, "got NoneType"),
        ([[[0, 0, 0]]], "row 0: expected an encoded image, or a uint8 array .* got list"),
        ("cat.png", "row 0: expected an image in base64: "),
        ("Ä", "row 0: expected an image in base64: "),
        ("aGVsbG8=", "row 0: expected an image"),
        ("", "row 0: expected an image"),
    ],
)
def test_what_is_no_image_is_refused_with_its_row_and_reason(model, image, reason):
    with pytest.raises(MlflowException, match=reason) as caught:
        model.predict(pd.DataFrame({"image": [image]}))
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert caught.value.get_http_status_code() == 400


def test_the_row_that_is_refused_is_named(model, pictures):
    with pytest.raises(MlflowException, match="image of row 1: expected an image"):
        model.predict(pd.DataFrame({"image": [images.encode_png(pictures[0]), b"no image"]}))


def test_a_request_of_no_row_is_refused(model):
    with pytest.raises(MlflowException, match="expected at least one image, got no row") as caught:
        model.predict(pd.DataFrame({"image": np.zeros(0, object)}))
    assert caught.value.get_http_status_code() == 400


@pytest.mark.parametrize(
    ("size", "params", "most"),
    [((4097, 4096), {}, "16,777,216"), ((1526, 1000), {"probabilities": True}, "1,525,201")],  # of eleven classes
)
def test_a_picture_too_large_to_answer_is_refused_before_it_is_decoded(model, size, params, most):
    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    intact = buffer.getvalue()
    reason = f"expected at most {most} pixels, got {size[0]} x {size[1]}; cut it into parts, or call segnet predict"
    for encoded in (intact, intact[:60]):  # the second would fail if it were decoded
        with pytest.raises(MlflowException, match=reason) as caught:
            model.predict(pd.DataFrame({"image": [encoded]}), params=params)
        assert caught.value.get_http_status_code() == 400


def test_requests_at_once_are_answered_as_one_by_one(tmp_path):
    options = {"samples": 3, "seed": 1}
    folder = write_model(tmp_path / "model", replace(SPEC, network="bayesian_segnet"))
    served = served_model.ServedModel()
    context = SimpleNamespace(artifacts={"model": folder}, model_config={"serving": options})
    served.load_context(context)
    pictures = [PICTURE[:32, left : left + 64].copy() for left in range(6)]
    rows = [pd.DataFrame({"image": [picture]}) for picture in pictures]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda row: served.predict(context, row, {"probabilities": True}), rows))
    probabilities = [np.load(io.BytesIO(answer["probabilities"][0]), allow_pickle=False) for answer in answers]
    predictor = predict.load(folder, **predict.PLAIN | options)
    assert_all_equal(probabilities, [predictor.probabilities(picture) for picture in pictures])


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
    registered = client.get_model_version("segnet-served", version.rpartition("/")[2])
    run = client.get_run(registered.run_id)
    assert run.data.tags["training_run"] == "run-a"
    logged = client.get_logged_model(registered.source.rpartition("/")[2])
    assert logged.experiment_id == run.info.experiment_id
    assert "/mlartifacts/" in logged.artifact_location


def test_the_packages_are_pinned_to_public_versions(copy):
    pins = (copy / "requirements.txt").read_text().split()
    installed = ("mlflow", "numpy", "pandas", "pillow", "pydantic", "safetensors", "torch")
    assert pins == [f"{name}=={metadata.version(name).split('+')[0]}" for name in installed]


def test_nothing_in_the_version_is_pickled(copy, model):
    files = [path for path in copy.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {"", ".json", ".py", ".safetensors", ".txt", ".yaml"}
    for path in files:
        assert not zipfile.is_zipfile(path)  # as torch.save writes pickles
        with pytest.raises(ValueError):  # noqa: PT011  several messages: there is no such opcode, or no end
            list(pickletools.genops(path.read_bytes()))
    assert "python_model" not in model.metadata.flavors["python_function"]  # where MLflow would name a pickle
