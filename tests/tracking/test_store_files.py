"""The default store: a file of the current folder, and the files of runs beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.tracking import store
from tests.support import stores


@pytest.mark.slow
def test_processes_that_start_at_once_with_a_new_store_all_find_its_tables(tmp_path):
    code = "from pipeline.tracking import store; store.client(store.address()).search_experiments()"
    settings = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    started = [subprocess.Popen([sys.executable, "-c", code], env=settings) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]


@pytest.mark.parametrize("name", ["job_feature%2Fx", "a?b", "a#b", "ü ñ", "a&b=c", "50%", "a b"])
def test_the_store_lies_in_a_checkout_of_any_path(tmp_path, monkeypatch, name):
    monkeypatch.chdir((tmp_path / name).mkdir() or tmp_path / name)
    stores.sqlite(Path.cwd())
    number = store.experiment_id(uri := store.address(), "e")
    run = store.client(uri).create_run(number)
    Path("a.txt").write_text("a")
    store.client(uri).log_artifact(run.info.run_id, "a.txt")
    assert {path.name for path in Path().iterdir()} == {"a.txt", "mlartifacts", "mlflow.db"}
    assert [path.read_text() for path in Path("mlartifacts").rglob("a.txt")] == ["a"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store.address() == uri


def test_no_second_folder_appears_beside_that_of_the_store(tmp_path, monkeypatch):
    name = "a b&c=ü ñ"
    monkeypatch.chdir((tmp_path / name).mkdir() or tmp_path / name)
    Path("dvc.yaml").touch()
    store.client(store.address()).search_experiments()
    assert [path.name for path in tmp_path.iterdir()] == [name]
