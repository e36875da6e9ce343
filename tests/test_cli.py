"""The command `segnet`."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_model import write_model
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.tracking import registry, runs

SEGNET = Path(sys.executable).with_name("segnet")


def test_help_names_the_commands():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in ("compare", "export"))


def test_an_error_is_one_line_without_a_traceback(tmp_path):
    command = [SEGNET, "export", "model.pt2", "--format", "pt2", "--model", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("segnet: nowhere: expected a model.json that the train stage wrote")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_is_a_usage_error():
    assert CliRunner().invoke(app, ["export", "model.x", "--format", "tflite"]).exit_code == 2


def test_a_model_in_a_folder_is_exported(tmp_path):
    folder = write_model(tmp_path / "model")
    target = tmp_path / "model.pt2"
    result = CliRunner().invoke(app, ["export", str(target), "--format", "pt2", "--model", str(folder)])
    assert result.exit_code == 0, result.output
    assert "logits differ by at most" in result.stdout
    images = torch.zeros(1, 3, 40, 50)
    assert torch.export.load(target).module()(images).shape[2:] == (40, 50)


@pytest.mark.usefixtures("mlflow_store")
def test_a_registered_model_is_exported(tmp_path):
    run = runs.start("export", "run-a")
    folder = write_model(tmp_path / "model")
    tags = {"fingerprint": "f"}
    number = registry.register(run, "segnet-exported", folder, {"overlap": 0.5}, {}, tags=tags, description="")
    target = tmp_path / "model.pt2"
    address = f"models:/segnet-exported/{number}"
    result = CliRunner().invoke(app, ["export", str(target), "--format", "pt2", "--model", address])
    assert result.exit_code == 0, result.output
    assert target.exists()
