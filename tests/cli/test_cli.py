"""The command `segnet`."""

import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import COMMANDS, app
from pipeline.files.redact import redact
from pipeline.tracking.outbox import UNSENT, Destination, Outbox
from pipeline.tracking.records import Record
from tests.support.tiny_model import write_model
from tests.support.tiny_version import registered

SEGNET = Path(sys.executable).with_name("segnet")
FILES = ("files.log", "files.printable", "files.redact", "files.signals", "files.terminal")


def test_help_names_the_commands_with_the_first_sentence_of_their_docstrings():
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    for name, module in COMMANDS.items():
        function = getattr(importlib.import_module(f"pipeline.cli.{module}"), name)
        sentence = inspect.getdoc(function).partition("\n")[0].replace("`", "")
        assert f"{name} {sentence[:40]}" in shown.replace("`", "")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_do_not_wait_for_what_only_commands_need(option):
    program = (
        f"import sys; sys.argv = ['segnet', '{option}']\n"
        "from pipeline.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print('imported:', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = done.stdout.partition("imported:")[2].split()
    ours = {name for name in imported if name.partition(".")[0] == "pipeline"}
    assert ours == {"pipeline", *(f"pipeline.{name}" for name in ("cli", "files", *FILES))}
    assert not {"torch", "numpy", "pandas", "pyarrow", "mlflow", "ray", "pydantic", "PIL"} & set(imported)


def test_commands_that_need_no_network_do_not_wait_for_torch():
    modules = ("init", "jobs", "leaderboard", "params", "promotion", "prune", "status", "sync", "ui", "verify")
    assert set(modules) <= set(COMMANDS.values())
    program = f"import sys, {', '.join(f'pipeline.cli.{name}' for name in modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "mlflow", "ray"} & set(done.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_its_own_help(name):
    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert f" {name} [OPTIONS]" in result.stdout


def test_an_error_is_one_line_without_a_traceback(tmp_path):
    command = [SEGNET, "export", "model.pt2", "--format", "pt2", "--model", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("segnet: nowhere: expected a model.json that the train stage wrote")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


WRITES = """
import sys, time
from pathlib import Path
import typer
from pipeline import cli
from pipeline.files import atomic
cli.app = typer.Typer()
@cli.app.command()
def write(path: Path):
    with atomic.replacing(path) as temporary:
        temporary.write_text("half")
        print("begun", flush=True)
        time.sleep(30)
cli.main()
"""


def test_a_terminated_command_leaves_no_temporary_file(tmp_path):
    command = [sys.executable, "-c", WRITES, str(tmp_path / "a")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        assert [path.suffix for path in tmp_path.iterdir()] == [".partial"]
        process.terminate()
        assert process.wait(10) == 143
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_is_a_usage_error():
    assert CliRunner().invoke(app, ["export", "model.x", "--format", "tflite"]).exit_code == 2


def test_an_unknown_network_is_a_usage_error():
    result = CliRunner().invoke(app, ["compare", "segent"])
    assert result.exit_code == 2
    assert "expected one of" in result.output
    assert "got segent" in " ".join(result.output.split())


def test_version_is_that_of_the_installed_package():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"segnet {pyproject['project']['version']}\n"


@pytest.mark.slow
def test_a_model_in_a_folder_is_exported(tmp_path):
    folder = write_model(tmp_path / "model")
    target = tmp_path / "model.pt2"
    result = CliRunner().invoke(app, ["export", str(target), "--format", "pt2", "--model", str(folder)])
    assert result.exit_code == 0, result.output
    assert "logits differ by at most" in result.stdout
    images = torch.zeros(1, 3, 40, 50)
    assert torch.export.load(target).module()(images).shape[2:] == (40, 50)


@pytest.mark.slow
def test_a_registered_model_is_exported(tmp_path, mlflow_store):
    target = tmp_path / "model.pt2"
    with registered("segnet-exported", write_model(tmp_path / "model"), mlflow_store) as address:
        result = CliRunner().invoke(app, ["export", str(target), "--format", "pt2", "--model", address])
    assert result.exit_code == 0, result.output
    assert target.exists()


@pytest.mark.slow
def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "a.db").write_text("no database" * 100)
    settings = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/a.db"}
    done = subprocess.run([SEGNET, "status"], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "file is not a database" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_the_system_refuses_is_one_line(tmp_path):
    (tmp_path / "there").touch()
    folder = str(write_model(tmp_path / "model"))
    command = [SEGNET, "export", str(tmp_path / "there/model.pt2"), "--format", "pt2", "--model", folder]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("segnet: [Errno ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_line(tmp_path):
    settings = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = subprocess.run([SEGNET, "status"], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("segnet: ")
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "address"),
    [
        ("status", "http://me:s3cr3t@127.0.0.1:9"),
        ("leaderboard", "https://s3cr3t@127.0.0.1:9"),
        ("predict", "postgresql://me:s3cr3t@127.0.0.1:9/db"),
        ("predict", "https://s3cr3t@127.0.0.1:9"),
        ("sync", "http://me:s3cr3t@127.0.0.1:9"),
        ("sync", "postgresql://me:s3cr3t@127.0.0.1:9/db"),
    ],
)
def test_no_command_prints_the_login_of_the_server(command, address, tmp_path):
    arguments = {
        "predict": ["predict", str(tmp_path), "--model", "models:/a@champion"],
        "leaderboard": ["leaderboard", "--experiment", "e"],
    }
    settings = {**os.environ, "MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / UNSENT).mkdir(parents=True)
    Outbox(tmp_path / UNSENT / "a").append(Record("params", {"seed": "1"}), Destination(redact(address), "e"))
    call = [SEGNET, *arguments.get(command, [command])]
    done = subprocess.run(call, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr


COMPLETION = {"_SEGNET_COMPLETE": "complete_bash", "COMP_WORDS": "segnet ro", "COMP_CWORD": "1"}


def test_the_shell_completes_commands():
    done = subprocess.run([SEGNET], env={**os.environ, **COMPLETION}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["rollback"]
