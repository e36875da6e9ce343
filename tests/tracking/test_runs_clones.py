"""Clones that share a store and train the same inputs: each has a run of its own, and no other writes to it."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.tracking import delivery, environment, records, runs, store
from pipeline.tracking.clone import clone_id
from pipeline.tracking.outbox import UNSENT
from tests.support import ROOT
from tests.support.recorded import curve, recorded

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pipeline.tracking import runs
run = runs.start("clones", sys.argv[2])
with runs.running(run):
    runs.log_metrics(run, {"val/miou": 0.25}, 1)
    print(run.run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def clone(mlflow_store, tmp_path, monkeypatch):
    """A function that makes a clone's folder the current one."""

    def enter(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        return folder

    return enter


def statuses(uri, name):
    """The status of each run of a training, sorted."""
    experiment = store.experiment_id(uri, "clones")
    found = store.client(uri).search_runs([experiment], f"tags.training_run = '{name}'")
    return sorted(run.info.status for run in found)


def test_two_clones_at_once_keep_their_curves_and_statuses_apart(clone, mlflow_store, request):
    name = request.node.name
    clone("a")
    first = runs.start("clones", name)
    with runs.running(first):
        clone("b")
        second = runs.start("clones", name)
        assert second.run_id != first.run_id
        for step in (1, 2):
            for run in (first, second):
                runs.log_metrics(run, {"val/miou": step / 4}, step)
    assert recorded(first).info.status == "FINISHED"
    with pytest.raises(KeyboardInterrupt), runs.running(second):
        raise KeyboardInterrupt
    assert statuses(mlflow_store, name) == ["FINISHED", "KILLED"]
    assert curve(first, "val/miou") == curve(second, "val/miou") == [(1, 0.25), (2, 0.5)]


def test_clones_that_start_in_the_same_moment_get_a_run_each_and_find_it_again(clone, mlflow_store, tmp_path, request):
    clone("any")
    store.experiment_id(mlflow_store, "clones")
    handles = [runs.Run(mlflow_store, "clones", request.node.name, tmp_path / f"{i}" / UNSENT) for i in range(6)]
    with ThreadPoolExecutor(6) as threads:
        ids = list(threads.map(lambda run: run.run_id, handles))
        assert len(set(ids)) == 6
        runs._delivery.cache_clear()  # as in a new process
        assert list(threads.map(lambda run: run.run_id, handles)) == ids


@pytest.mark.slow
def test_a_killed_clone_resumes_its_own_run_though_another_trained_meanwhile(clone, mlflow_store, request):
    name, folder = request.node.name, clone("a")
    command = [sys.executable, "-c", KILLED, str(ROOT), name]
    settings = {**os.environ, "MLFLOW_TRACKING_URI": mlflow_store}
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    clone("b")
    with runs.running(runs.start("clones", name)):
        pass
    folder.rename(folder.with_name("moved"))
    clone("moved")
    run = runs.start("clones", name)
    assert run.run_id == done.stdout.strip()
    assert recorded(run).info.status == "RUNNING"
    with runs.running(run):
        runs.log_metrics(run, {"val/miou": 0.75}, 1)
    assert curve(run, "val/miou") == [(1, 0.25)]
    assert statuses(mlflow_store, name) == ["FINISHED", "FINISHED"]


def test_what_waited_in_a_clone_goes_to_its_own_run(clone, mlflow_store, monkeypatch, request):
    name, folder = request.node.name, clone("a")
    with runs.running(runs.start("clones", name)):
        pass
    clone("b")
    with monkeypatch.context() as patch:
        patch.setattr(store, "client", lambda _: (_ for _ in ()).throw(store.UnreachableError("away")))
        run = runs.start("clones", name)
        runs.log_params(run, {"seed": 1})
    runs._delivery.cache_clear()
    (sent,) = delivery.sync(UNSENT, mlflow_store)
    assert (sent.sent, sent.error) == ({"params": 1}, None)
    assert recorded(run).data.params == {"seed": "1"}
    assert recorded(run).data.tags[records.CLONE_TAG] == clone_id(run.unsent.parent) != clone_id(folder / "runs")


def test_a_model_that_another_clone_trained_is_evaluated_in_a_run_that_names_the_training(
    clone, mlflow_store, monkeypatch, caplog, request
):
    name = request.node.name
    monkeypatch.setattr(environment, "commit", lambda: ("0123abcd", "false"))
    clone("a")
    trained = runs.start("clones", name)
    runs.log_environment(trained)
    runs.log_metrics(trained, {"workers": 2}, 1)
    clone("b")
    run = runs.resume("clones", name)
    assert (
        f"by this clone (another clone has, {trained.run_id}); what follows is recorded in the new run" in caplog.text
    )
    runs.log_scores(run, {"test/miou": 0.5})
    assert "test/miou" not in recorded(trained).data.metrics
    facts = environment.recorded(mlflow_store, run.run_id)
    assert (facts["run"], facts["commit"], facts["workers"]) == (name, "0123abcd", [2])
    caplog.clear()
    assert runs.resume("clones", name) == run
    assert not caplog.text
