"""Which registered model a command is about, where none of that name is there."""

import pytest

from pipeline.cli.model import named
from tests.support import stores
from tests.support.tiny_model import SPEC, write_model


def test_a_model_that_was_trained_and_is_not_registered_here_is_said_with_the_command(
    mlflow_store, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "models" / "segnet", SPEC)
    message = (
        rf"^expected --name of a registered model \(.*\), got segnet-{SPEC.dataset}; name another, or register "
        r"models/segnet here: dvc repro --force --single-item register$"
    )
    with pytest.raises(ValueError, match=message):
        named(None)


def test_where_nothing_was_registered_no_name_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stores.sqlite(tmp_path))
    with pytest.raises(ValueError, match=r"^expected a registered model in sqlite:.*, got none yet; run dvc repro$"):
        named(None)


def test_where_nothing_was_trained_dvc_repro_is_named(mlflow_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"got segnet-nothing; name another, or run dvc repro$"):
        named("segnet-nothing")
