import os
import sys

import pytest
from typer.testing import CliRunner

from pipeline import params
from pipeline.cli import app
from pipeline.tracking import store
from tests.support import SCENES


@pytest.fixture
def started(monkeypatch):
    """Return the arguments and variables of the programs that took this one's place."""
    calls = []
    monkeypatch.setattr(os, "execve", lambda program, arguments, environment: calls.append((arguments, environment)))
    return calls


def test_mlflows_pages_are_opened_on_the_pipelines_store_at_the_training_runs(
    mlflow_store, started, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(SCENES.read_text())
    number = store.experiment_id(mlflow_store, params.load(SCENES).tracking.experiment)
    result = CliRunner().invoke(app, ["ui", "--port", "5123"])
    assert result.exit_code == 0, result.output
    page = f"http://127.0.0.1:5123/#/experiments/{number}/runs?workflowType=machine_learning"
    assert result.stdout == f"open {page}; Ctrl-C ends it\n"
    ((arguments, environment),) = started
    assert arguments == [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", "5123"]
    assert environment["MLFLOW_BACKEND_STORE_URI"] == mlflow_store  # an address may hold a password: no argument


def test_a_server_has_its_own_pages(monkeypatch, started):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@mlflow.invalid:5000")
    result = CliRunner().invoke(app, ["ui"])
    assert result.stdout == "open http://mlflow.invalid:5000 in a browser: this server has MLflow's pages\n"
    assert started == []


def test_a_port_that_does_not_exist_is_wrong_usage():
    assert CliRunner().invoke(app, ["ui", "--port", "0"]).exit_code == 2
