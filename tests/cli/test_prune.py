"""`segnet prune`."""

import json
import os
import time

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.prune import prune

NAMES = [f"{i:016x}" for i in range(4)]  # the first is the newest


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return a repository with four runs of ten bytes, and a leftover of three."""
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "data/.tiles.1.partial").mkdir(parents=True)
    (tmp_path / "data/.tiles.1.partial/half").write_bytes(b"abc")
    files = [tmp_path / "data/.tiles.1.partial/half", tmp_path / "data/.tiles.1.partial"]
    for name in NAMES:
        (tmp_path / "runs" / name).mkdir(parents=True)
        files.append(tmp_path / "runs" / name / "inputs.json")
        files[-1].write_text('{"a": 10}\n')
    for hours, path in enumerate(files, 2):
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def segnet_prune(*options):
    app = typer.Typer()
    app.command()(prune)
    return CliRunner().invoke(app, options)


def test_the_command_removes_and_lists_what_it_removed(repository):
    dry = segnet_prune("--keep", "4", "--dry-run")
    assert dry.stdout == "temporary data/.tiles.1.partial: 3 bytes\nwould remove 1: 3 bytes\n"
    assert (repository / "data" / ".tiles.1.partial").exists()
    output = json.loads(segnet_prune("--keep", "2", "--json").stdout)
    removed = [f"runs/{NAMES[2]}", f"runs/{NAMES[3]}", "data/.tiles.1.partial"]
    assert [entry["path"] for entry in output["removed"]] == removed
    assert (output["bytes"], output["dry_run"]) == (23, False)
    assert {path.name for path in (repository / "runs").iterdir()} == {*NAMES[:2]}
    assert list((repository / "data").iterdir()) == []
    assert segnet_prune("--keep", "0").exit_code == 2


def test_in_no_repository_it_says_where_to_go(repository, monkeypatch):
    monkeypatch.chdir(repository / "runs")
    done = segnet_prune()
    assert done.exit_code == 1
    assert str(done.exception).startswith("expected a repository in the current folder (dvc.yaml), got ")
    assert str(done.exception).endswith("/runs; change to the repository's folder")
