"""A registered model's folder is copied; the rest of `download` is tested in tests/registry/test_model_files.py."""

import pytest

from pipeline.tracking import registered
from pipeline.tracking.store import UnreachableError
from tests.support import stores, tiny_version
from tests.support.tiny_model import write_model

NAME = "segnet-fetched"


@pytest.fixture(scope="module")
def model(mlflow_file, tmp_path_factory):
    """A registered model of two versions, of which the first is champion, laid out as the register stage does."""
    folders = [tmp_path_factory.mktemp("version") for _ in range(2)]
    models = [write_model(folder / "artifacts" / "segnet", seed=seed) for seed, folder in enumerate(folders)]
    tiny_version.laid_out(mlflow_file, NAME, *folders)
    return models[0]


def test_an_alias_is_fetched_with_the_number_of_its_version(model, mlflow_store, tmp_path):
    folder, version = registered.fetch(f"models:/{NAME}@champion", tmp_path)
    assert version == f"models:/{NAME}/1"
    assert folder.is_relative_to(tmp_path)
    assert (folder / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()


def test_a_version_is_looked_up_in_the_registry_that_mlflow_registers_in(model, mlflow_store, tmp_path, monkeypatch):
    other = write_model(tmp_path / "version" / "artifacts" / "segnet", seed=9)
    registry = stores.sqlite(tmp_path)
    tiny_version.laid_out(registry, NAME, tmp_path / "version")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry)
    for n, address in enumerate((f"models:/{NAME}@champion", f"models:/{NAME}/1")):
        into = tmp_path / str(n)
        into.mkdir()
        folder, version = registered.fetch(address, into)
        assert version == f"models:/{NAME}/1"
        assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_a_number_is_fetched_as_it_is(model, mlflow_store, tmp_path):
    folder, version = registered.fetch(f"models:/{NAME}/2", tmp_path)
    assert version == f"models:/{NAME}/2"
    assert (folder / "model.safetensors").read_bytes() != (model / "model.safetensors").read_bytes()


@pytest.mark.parametrize("address", [f"models:/{NAME}@nobody", "models:/segnet-nothing@champion"])
def test_an_alias_that_no_version_has_is_an_error(model, mlflow_store, tmp_path, address):
    message = f"expected a version {address} made by the register stage in sqlite:.*, got none; correct the address"
    with pytest.raises(ValueError, match=message):
        registered.fetch(address, tmp_path)


def test_what_is_no_address_of_a_version_is_an_error(mlflow_store, tmp_path):
    with pytest.raises(ValueError, match=r"expected models:/<name>@<alias> or models:/<name>/<number>, got models:/a$"):
        registered.fetch("models:/a", tmp_path)


def test_a_server_that_does_not_answer_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9 cannot be reached: "):
        registered.fetch(f"models:/{NAME}@champion", tmp_path)
    with pytest.raises(ValueError, match=rf"version models:/{NAME}/1 .* in http://127\.0\.0\.1:9: .*refused"):
        registered.fetch(f"models:/{NAME}/1", tmp_path)
