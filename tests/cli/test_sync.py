"""`segnet sync`."""

import json

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.sync import sync
from pipeline.tracking import runs, store
from pipeline.tracking.outbox import UNSENT
from tests.support.absent import Switch


@pytest.fixture
def switch(mlflow_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    return Switch(monkeypatch)


def segnet_sync(*options):
    app = typer.Typer()
    app.command()(sync)
    return CliRunner().invoke(app, options)


def test_what_waits_is_sent_once_and_reported(switch):
    switch.on = False
    run = runs.start("tests", "sync-a")
    for step in (1, 2):
        runs.log_metrics(run, {"val/miou": step / 4}, step)
    runs.log_params(run, {"epochs": 2})
    switch.on = True
    result = segnet_sync()
    assert (result.exit_code, result.stdout) == (0, "sync-a: sent 3 records (metrics 2, params 1)\n")
    points = store.client(run.uri).get_metric_history(run.run_id, "val/miou")
    assert [(point.step, point.value) for point in points] == [(1, 0.25), (2, 0.5)]
    result = segnet_sync()
    assert (result.exit_code, result.stdout) == (0, f"nothing waits in {UNSENT}\n")


def test_the_exit_code_says_that_something_is_left(switch):
    switch.on = False
    runs.log_params(runs.start("tests", "sync-b"), {"epochs": 2})
    result = segnet_sync()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "segnet: sync-b: 1 record (params 1) left: sqlite:" in result.stderr
    assert "cannot be reached: the store is away" in result.stderr

    result = segnet_sync("--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)
    assert "the store is away" in report.pop("error")
    assert report == {"training": "sync-b", "sent": {}, "left": {"params": 1}}
    switch.on = True
    result = segnet_sync("--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [{"training": "sync-b", "sent": {"params": 1}, "left": {}, "error": None}]


def test_an_outbox_that_cannot_be_read_does_not_stop_the_others(switch):
    switch.on = False
    for name in ("sync-c", "sync-d"):
        runs.log_params(runs.start("tests", name), {"epochs": 2})
    switch.on = True
    (UNSENT / "sync-c" / "records.jsonl").write_text("{\n")
    result = segnet_sync()
    assert (result.exit_code, result.stdout) == (1, "sync-d: sent 1 record (params 1)\n")
    assert "segnet: sync-c: " in result.stderr
    assert "expected line 1 to be a record of a training" in result.stderr


def test_in_no_repository_it_says_where_to_go(switch, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path / "runs")
    done = segnet_sync()
    assert done.exit_code == 1
    said = f"expected a repository in the current folder (dvc.yaml), got {tmp_path}/runs"
    assert str(done.exception) == f"{said}; change to the repository's folder"
