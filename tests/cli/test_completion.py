import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_type_hints

import pytest

from pipeline.cli import COMMANDS, completion
from pipeline.core.models import MODELS
from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from tests.support import SCENES

SEGNET = Path(sys.executable).with_name("segnet")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """The current folder, with what stages leave in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/scores.json").write_text('{"split": "test", "test": {"miou": 0.5, "iou": {"a.b": 0.5}}}')
    (tmp_path / "reports/history.csv").write_text("epoch,train/loss,val/miou\n1,0.5,0.25\n")
    (tmp_path / "params.yaml").write_text(SCENES.read_text())
    return tmp_path


@pytest.fixture
def model(mlflow_store):
    model = RegisteredModel(mlflow_store, "segnet-completed")
    versions.create(model, "")
    if not versions.versions(model):
        for _ in range(2):
            store.client(mlflow_store).create_model_version(model.name, "https://models.invalid/a")
        versions.set_alias(model, "champion", "2")
    return model


def completed(*words):
    """Return what bash is given for the last of the words."""
    settings = {"_SEGNET_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["segnet", *words])}
    environment = {**os.environ, **settings, "COMP_CWORD": str(len(words))}
    done = subprocess.run([SEGNET], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow
def test_the_shell_completes_networks():
    assert completed("compare", "bayes") == ["bayesian_segnet", "bayesian_segnet_basic"]
    assert completion.networks("") == list(MODELS)


def test_versions_and_models_are_those_of_the_registry(model, tree):
    assert completion.version_numbers(SimpleNamespace(params={"name": "segnet-completed"}), "") == ["1", "2"]
    assert completion.version_numbers(SimpleNamespace(params={"name": "segnet-none"}), "") == []
    assert "segnet-completed" in completion.registered_models("")
    found = completion.addresses("")
    assert found[0] == "models/segnet"
    assert {f"models:/segnet-completed{end}" for end in ("@champion", "/1", "/2")} < set(found)


def test_metrics_are_those_in_the_reports(tree):
    assert completion.metrics("") == ["test/miou", "test/iou/a/b", "train/loss", "val/miou"]


def test_metrics_without_test_images_are_those_of_the_validation_images(tree):
    (tree / "reports/scores.json").write_text('{"split": "val", "val": {"miou": 0.5}}')
    assert completion.metrics("") == ["val_images/miou", "train/loss", "val/miou"]


def test_a_value_of_params_is_completed_up_to_its_name(tree):
    assert "train.epochs=" in completion.param_keys("")


@pytest.mark.parametrize(
    ("name", "command", "parameter"),
    [
        ("networks", "compare", "networks"),
        ("metrics", "leaderboard", "metric"),
        ("param_keys", "submit", "override"),
        ("addresses", "predict", "model"),
        ("addresses", "export", "model"),
        ("registered_models", "status", "name"),
        ("version_numbers", "promote", "version"),
        ("version_numbers", "verify", "version"),
        ("version_numbers", "trace", "version"),
    ],
)
def test_a_parameter_is_completed_from_its_own_names(name, command, parameter):
    hints = get_type_hints(getattr(import_module(f"pipeline.cli.{COMMANDS[command]}"), command), include_extras=True)
    annotation = hints[parameter]
    extras = [extra for part in (annotation, *get_args(annotation)) for extra in getattr(part, "__metadata__", ())]
    assert [extra.autocompletion for extra in extras] == [getattr(completion, name)]


@pytest.mark.parametrize("names", ["metrics", "param_keys", "registered_models"])
def test_what_cannot_be_found_is_not_completed(names, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert getattr(completion, names)("") == []
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/scores.json").write_text("{")
    assert completion.metrics("") == []
    assert capsys.readouterr() == ("", "")
