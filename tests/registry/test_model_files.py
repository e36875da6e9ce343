import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import grimp
import pytest
from mlflow import MlflowClient, MlflowException, artifacts

from pipeline.registry import file_record, model_files, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import runs, store
from tests.support import ROOT
from tests.support.tiny_model import write_model
from tests.support.tiny_version import OPTIONS, registered


@pytest.fixture
def version(mlflow_store, tmp_path):
    """The folder of a model that is version 1 of segnet-kept, laid out as MLflow stores what `register` logs."""
    folder = write_model(tmp_path / "version" / "artifacts" / "segnet")
    client = store.client(mlflow_store)
    client.create_registered_model("segnet-kept")
    client.create_model_version("segnet-kept", str(tmp_path / "version"))
    versions.set_alias(RegisteredModel(mlflow_store, "segnet-kept"), "champion", "1")
    yield folder
    client.delete_registered_model("segnet-kept")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("address", ["models:/segnet-kept@champion", "models:/segnet-kept/1"])
def test_the_models_folder_is_copied_out_of_a_version(mlflow_store, version, tmp_path, address):
    into = tmp_path / "into"
    into.mkdir()
    copy = model_files.download(mlflow_store, address, into)
    assert copy.is_relative_to(into)
    assert contents(copy) == contents(version)
    assert set(contents(copy)) == {"model.json", "model.safetensors"}


@pytest.mark.parametrize(
    "address",
    [
        "models:/segnet-kept@nobody",
        "models:/segnet-kept/2",
        "models:/segnet-nothing/1",
        "models:/segnet-nothing@champion",
    ],
)
def test_a_version_that_is_missing_cannot_be_copied(mlflow_store, version, tmp_path, address):
    with pytest.raises(
        ValueError, match=f"expected a version {address} made by the register stage in sqlite:.*not found"
    ):
        model_files.download(mlflow_store, address, tmp_path)


def test_a_version_of_something_else_cannot_be_copied(mlflow_store, version, tmp_path):
    (tmp_path / "other").mkdir()
    store.client(mlflow_store).create_model_version("segnet-kept", str(tmp_path / "other"))
    with pytest.raises(ValueError, match=r"expected a version models:/segnet-kept/2 made by the register stage"):
        model_files.download(mlflow_store, "models:/segnet-kept/2", tmp_path)


@pytest.mark.parametrize("address", ["segnet-kept", "models:/segnet-kept", "models:/segnet-kept/latest", "runs:/a/b"])
def test_what_is_no_address_of_a_version_is_refused(mlflow_store, tmp_path, address):
    with pytest.raises(ValueError, match=rf"expected models:/<name>@<alias> or models:/<name>/<number>, got {address}"):
        model_files.download(mlflow_store, address, tmp_path)


def test_what_a_version_does_not_have_is_named(mlflow_store, version, tmp_path):
    registered = versions.version(RegisteredModel(mlflow_store, "segnet-kept"), "1")
    with pytest.raises(ValueError, match=r"expected evidence/ab beside version 1 of segnet-kept in sqlite:"):
        model_files.fetch(registered, "evidence/ab", tmp_path)
    with model_files.evidence(registered, None) as folder:
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", [MlflowException("no answer"), OSError("no answer")])
def test_files_that_cannot_be_copied_are_named_with_the_reason(mlflow_store, version, tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    registered = versions.version(RegisteredModel(mlflow_store, "segnet-kept"), "1")
    monkeypatch.setattr(artifacts, "download_artifacts", fail)
    with pytest.raises(ValueError, match=r"expected scores beside version 1 of segnet-kept in sqlite:.*: no answer"):
        model_files.fetch(registered, "scores", tmp_path)
    message = r"expected a version models:/segnet-kept/1 made by the register stage in sqlite:.*: no answer"
    with pytest.raises(ValueError, match=message):
        model_files.download(mlflow_store, "models:/segnet-kept/1", tmp_path)


@pytest.mark.parametrize(
    "error", [MlflowException("no answer"), OSError("none"), KeyError("config"), TypeError("none")]
)
def test_options_that_cannot_be_read_are_those_of_something_else(mlflow_store, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(artifacts, "download_artifacts", fail)
    message = rf"expected a version models:/segnet-kept/1 made by the register stage in sqlite:.*: {error}"
    with pytest.raises(ValueError, match=message):
        model_files.options(mlflow_store, "models:/segnet-kept/1")


def test_files_are_read_from_the_store_of_the_version_whatever_the_environment_names(
    mlflow_store, version, tmp_path, monkeypatch
):
    registered = versions.version(RegisteredModel(mlflow_store, "segnet-kept"), "1")
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        store.select(f"sqlite:///{tmp_path}/another.db")
        copy = (model_files.fetch, model_files.download)[folder.name == "b"]
        arguments = {"a": (registered, "artifacts/segnet"), "b": (mlflow_store, "models:/segnet-kept/1")}[folder.name]
        assert contents(copy(*arguments, folder)) == contents(version)


def test_a_model_that_cannot_predict_is_not_registered(mlflow_store, tmp_path):
    folder = write_model(tmp_path / "segnet")
    (folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"model\.safetensors"), registered("segnet-broken", folder, mlflow_store):
        pytest.fail("it was registered")
    assert versions.versions(RegisteredModel(mlflow_store, "segnet-broken")) == []


@pytest.mark.slow
def test_loading_a_version_from_where_it_lies_adds_nothing_to_it(mlflow_store, tmp_path):
    load = "import mlflow, sys; print(mlflow.pyfunc.load_model(sys.argv[1]).metadata.flavors.keys())"
    settings = {**os.environ, "MLFLOW_TRACKING_URI": mlflow_store, "PYTHONDONTWRITEBYTECODE": ""}
    with registered("segnet-loaded", write_model(tmp_path / "segnet"), mlflow_store) as address:
        version = versions.version(RegisteredModel(mlflow_store, "segnet-loaded"), "1")
        location = store.client(mlflow_store).get_logged_model(version.model_id).artifact_location
        before = files_below(location.removeprefix("file://"))
        subprocess.run([sys.executable, "-c", load, address], env=settings, cwd=tmp_path, check=True)
    assert files_below(location.removeprefix("file://")) == before | {"registered_model_meta"}  # by MLflow


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if not path.is_dir()}


def test_a_model_that_is_added_again_gets_the_new_evidence_and_tags_alone(mlflow_store, tmp_path, monkeypatch):
    folder, model = write_model(tmp_path / "segnet"), RegisteredModel(mlflow_store, "segnet-added")
    run, evidence = runs.start(model.name, "run-a"), tmp_path / "evidence"
    evidence.mkdir()
    names, sent, set_tag = [], [], MlflowClient.set_model_version_tag

    def record(self, name, version, key, value):
        sent.append(key)
        set_tag(self, name, version, key, value)

    monkeypatch.setattr(MlflowClient, "set_model_version_tag", record)

    def add(text, fingerprint="a"):
        (evidence / "scores.json").write_text(text)
        names.append(file_record.evidence_name(evidence))
        tags = {"fingerprint": fingerprint, "evidence": names[-1], text: text}
        return model_files.add(run, model, folder, OPTIONS, {}, evidence=evidence, tags=tags)

    first, again, same = add("old"), add("new"), add("new")
    assert (first.number, first.run_id) == ("1", run.run_id)
    assert sent == ["evidence", "new"]  # a request each; those of the first came with the version
    assert same == again == replace(first, tags={**first.tags, "evidence": names[1], "new": "new"})
    files = model_files.fetch(again, "evidence", tmp_path / "copy")
    assert {path.parent.name: path.read_text() for path in files.glob("*/*")} == dict(
        zip(names[:2], ("old", "new"), strict=True)
    )
    assert model_files.options(mlflow_store, first.address) == OPTIONS
    assert add("new", fingerprint="b").number == "2"


def test_files_that_are_gone_are_said_to_be_and_not_called_changed(mlflow_store, tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "download_artifacts", lambda *_, dst_path, **__: dst_path)
    version = versions.Version(RegisteredModel(mlflow_store, "segnet-moved"), "1", {})
    for path, what in (("evidence/ab", "evidence/ab"), ("", "the files")):
        with pytest.raises(
            ValueError, match=f"expected {what} of version 1 of segnet-moved, got no files: they were moved"
        ):
            model_files.fetch(version, path, tmp_path)


def test_a_run_registers_its_model_with_other_options_without_a_warning(mlflow_store, tmp_path, caplog):
    folder, model = write_model(tmp_path / "segnet"), RegisteredModel(mlflow_store, "segnet-averaged")
    run, evidence = runs.start(model.name, "run-a"), tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "scores.json").write_text("{}")
    for fingerprint, options in (("a", OPTIONS), ("b", {**OPTIONS, "flip": False})):
        tags = {"fingerprint": fingerprint, "evidence": file_record.evidence_name(evidence)}
        added = model_files.add(run, model, folder, options, {}, evidence=evidence, tags=tags)
        assert model_files.options(mlflow_store, added.address) == options
    assert [record.message for record in caplog.records if "model config" in record.message] == []


def test_the_same_weights_under_other_code_are_another_version(mlflow_store, tmp_path, monkeypatch):
    folder, model = write_model(tmp_path / "segnet"), RegisteredModel(mlflow_store, "segnet-recoded")
    run, evidence, served = runs.start(model.name, "run-a"), tmp_path / "evidence", model_files.served_code()
    evidence.mkdir()
    name = "pipeline/inference/predict.py"
    changed = tmp_path / "predict.py"
    changed.write_text(f"{served[name].read_text()}# a comment\n")

    def add(text, code):
        monkeypatch.setattr(model_files, "served_code", lambda: code)
        (evidence / "scores.json").write_text(text)
        tags = {"fingerprint": "a", "evidence": file_record.evidence_name(evidence)}
        return model_files.add(run, model, folder, OPTIONS, {}, evidence=evidence, tags=tags)

    first = add("old", served)
    second = add("new", {**served, name: changed})
    assert (first.number, second.number, add("newer", {**served, name: changed}).number) == ("1", "2", "2")
    assert versions.version(model, "1").tags["evidence"] == first.tags["evidence"]
    code = model_files.fetch(second, f"code/{name}", tmp_path / "copy")
    assert code.read_text() == changed.read_text()


def test_a_version_holds_the_code_that_the_served_model_imports_and_no_other():
    graph = grimp.build_graph("pipeline", cache_dir=None)
    modules = graph.find_upstream_modules("pipeline.inference.served_model")
    modules |= {package for name in modules for package in ("pipeline", name.rpartition(".")[0], "pipeline.inference")}
    files = {name.replace(".", "/") + ("/__init__.py" if graph.find_children(name) else ".py") for name in modules}
    code = model_files.served_code()
    assert set(code) == files
    assert all(path == ROOT / name for name, path in code.items())
