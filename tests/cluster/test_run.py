"""Tested on real local Ray clusters."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
import torch

from pipeline.cluster import run as cluster
from pipeline.cluster.run import ClusterError, Place, Plan
from pipeline.training import checkpoint, train
from pipeline.training.train import TrainingError
from pipeline.training.trainer import Job
from tests.support import ROOT
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import ANYWHERE, SETTINGS, TINY


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def logged(caplog):
    """Return a function that returns what this program has logged since its last call."""
    caplog.set_level("INFO", "pipeline")

    def logged():
        messages = [record.getMessage() for record in caplog.records if record.name.startswith("pipeline")]
        caplog.clear()
        return [
            text
            for text in messages
            if not re.match(r"computing in |starting Ray|waiting for |\d+ workers? ready", text)
        ]

    return logged


@pytest.fixture
def run(tiles, tmp_path):
    """Return a function that trains on Ray's workers and returns the reports and the last checkpoint."""

    def run(num_workers=1, *, function=train.fit, on_report=None, max_failures=0, **changes):
        reports, progress, pictures = [], [], []
        job = Job(tiles, TINY, SETTINGS.model_copy(update={"epochs": 2, **changes}), (1.0, 1.0))
        plan = Plan(Place(tmp_path / "toy", train.reads(job)), num_workers, max_failures, TrainingError, ANYWHERE, 4)
        listeners = {"on_report": on_report or reports.append, "on_progress": progress.append}
        with cluster.workers(function, job, plan) as workers:
            workers.run(**listeners, on_pictures=pictures.append)
        state = checkpoint.last(plan.place.folder)
        return SimpleNamespace(state=state, reports=reports, progress=progress, pictures=pictures)

    return run


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_train_report_each_epoch_and_leave_a_checkpoint(run, logged, caplog):
    first = run(2)
    assert [(epoch["epoch"], epoch["workers"]) for epoch in first.reports] == [(1, 2), (2, 2)]
    assert first.progress[0]["epoch"] == 1
    assert [len(masks) for masks in first.pictures] == [4, 4]
    assert list(first.state.history) == first.reports
    said = [record.getMessage() for record in caplog.records]
    assert [text for text in said if "Ray" in text or "ready" in text] == [
        "starting Ray on this machine",
        "2 workers ready",
    ]
    assert logged() == []


@pytest.mark.ray
@pytest.mark.slow
def test_more_epochs_go_on_where_the_same_run_ended(run, logged):
    first = run(2)
    again = run(2, epochs=3)
    assert logged() == ["resuming run toy at epoch 3 of 3, step 6"]
    assert [epoch["epoch"] for epoch in again.reports] == [3]
    assert again.state.history[:2] == first.state.history


def test_ray_is_not_imported_before_workers_are_wanted():
    code = "import sys; import stages.train; sys.exit(any(name.partition('.')[0] == 'ray' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.ray
@pytest.mark.slow
def test_a_lost_worker_is_restarted_and_the_cause_is_logged(run, logged):
    def losing_a_worker(job, *, folder, **options):
        from pipeline.training.trainer import Trainer

        train_an_epoch = Trainer.train

        def train_or_die(self, epoch, done, **listeners):
            if epoch == 1 and self.rank == 1 and not (folder / "killed").exists():
                while checkpoint.newest(folder)[0] is None:  # the first worker writes it
                    time.sleep(0.05)
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return train_an_epoch(self, epoch, done, **listeners)

        Trainer.train = train_or_die
        train.fit(job, folder=folder, **options)

    result = run(2, function=losing_a_worker, max_failures=1)
    assert [epoch["epoch"] for epoch in result.state.history] == [1, 2]
    failed, resumed = logged()
    assert failed.startswith("failed: worker 1: ActorDiedError: ")
    assert resumed == "resuming run toy at epoch 2 of 2, step 4"


@pytest.mark.ray
@pytest.mark.slow
def test_an_error_in_a_listener_is_raised_once_the_training_has_ended(run, tmp_path):
    def broken(epoch):
        raise OSError("the tracking server is gone")

    with pytest.raises(OSError, match="the tracking server is gone"):
        run(on_report=broken)
    assert len(checkpoint.last(tmp_path / "toy").history) == 2


@pytest.mark.ray
@pytest.mark.slow
def test_an_error_that_is_certain_ends_the_run_at_once(run, logged, tmp_path):
    with pytest.raises(ClusterError, match=r"^expected a finite loss, got .* at epoch 1, step"):
        run(learning_rate=1e30, optimizer="sgd", max_failures=2)
    assert logged() == []  # no worker failed, and none was restarted
    assert not list((tmp_path / "toy").glob("step-*"))


@pytest.mark.ray
@pytest.mark.slow
def test_more_workers_than_cpus_are_refused(run):
    many = (os.cpu_count() or 1) + 1
    with pytest.raises(ClusterError, match=rf"train\.num_workers: expected at most the cluster's {many - 1} CPUs, got"):
        run(many)


@pytest.mark.ray
@pytest.mark.slow
def test_a_worker_without_memory_ends_the_run_with_advice_and_its_checkpoints_stay(run, logged, tmp_path):
    def allocating_too_much(job, *, folder, **options):
        from pipeline.training.trainer import Trainer

        train_an_epoch = Trainer.train

        def train_or_allocate(self, epoch, done, **listeners):
            if epoch == 1:
                resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
                torch.ones(9 << 28)  # 9 GiB
            return train_an_epoch(self, epoch, done, **listeners)

        Trainer.train = train_or_allocate
        train.fit(job, folder=folder, **options)

    again = "resuming run toy at epoch 2 of 2, step 4"
    with pytest.raises(
        ClusterError, match=r"worker 0: RuntimeError: .* can't allocate memory.*; expected enough memory"
    ):
        run(function=allocating_too_much, max_failures=1)
    assert [text.split(":")[0] for text in logged()] == ["failed", again, "failed"]
    assert len(checkpoint.last(tmp_path / "toy").history) == 1


@pytest.mark.ray
@pytest.mark.slow
def test_a_machine_low_on_memory_ends_the_run_with_advice(run, monkeypatch):
    def filling(job, **_):
        blocks = []
        while len(blocks) < 200:  # 0.1 GB each, until Ray's monitor kills the worker
            blocks.append(torch.ones(25_000_000))
            time.sleep(0.05)

    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + 2.5e9) / memory.total
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{threshold:.3f}")
    with pytest.raises(ClusterError, match=r"low on memory.*; expected enough memory for the workers: raise"):
        run(function=filling)
