"""Real Ray clusters on this machine."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_data import write_tiles

from pipeline import cluster, params, train
from pipeline.cluster import ClusterError, Plan
from pipeline.files import checkpoint
from pipeline.worker import Job

SETTINGS = params.load(Path(__file__).with_name("scenes.yaml")).train.model_copy(
    update={"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "warmup_epochs": 0.0}
)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def run(tiles, tmp_path):
    """Train on Ray's workers, and return the state's folder and what was reported."""

    def run(num_workers=1, *, on_report=None, max_failures=0, **changes):
        reports, progress = [], []
        job = Job(
            tiles,
            SimpleNamespace(name="segnet", width=1 / 16, vgg16=None),
            SETTINGS.model_copy(update=changes),
            (1.0, 1.0),
        )
        plan = Plan("toy", tmp_path, num_workers, max_failures)
        state = cluster.run(train.fit, job, plan, on_report=on_report or reports.append, on_progress=progress.append)
        return SimpleNamespace(state=state, reports=reports, progress=progress)

    return run


@pytest.mark.ray
def test_two_workers_train_report_each_epoch_and_leave_a_state(run):
    found = run(2)
    assert [epoch["epoch"] for epoch in found.reports] == [1, 2]
    assert found.progress[0]["epoch"] == 1
    state = checkpoint.read_state(found.state)
    assert list(state.history) == found.reports

    again = run(2)  # the same name: nothing is left to do
    assert again.reports == []
    assert checkpoint.read_state(again.state).history == state.history


@pytest.mark.ray
@pytest.mark.slow
def test_an_error_of_a_listener_is_raised_when_the_state_is_there(run, tmp_path):
    def broken(epoch):
        raise OSError("the tracking server is gone")

    with pytest.raises(OSError, match="the tracking server is gone"):
        run(on_report=broken)
    assert len(checkpoint.read_state(tmp_path / "toy" / "state").history) == 2


@pytest.mark.ray
@pytest.mark.slow
def test_an_error_of_a_worker_ends_the_run_with_its_message(run, tmp_path):
    with pytest.raises(ClusterError, match=r"worker 0: TrainingError: expected a finite loss, got .* at epoch 1"):
        run(learning_rate=1e30, optimizer="sgd")
    assert not (tmp_path / "toy" / "state").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_more_workers_than_cpus_are_refused(run):
    many = (os.cpu_count() or 1) + 1
    with pytest.raises(ClusterError, match=rf"train\.num_workers: expected at most the cluster's {many - 1} CPUs, got"):
        run(many)


def node(**resources):
    return {"Alive": True, "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        ([node(CPU=2.0)], "auto", (1, 2, False)),
        ([node(CPU=8.0)], 4, (4, 2, False)),
        ([node(CPU=8.0), node(CPU=4.0)], 4, (4, 2, False)),
        ([node(CPU=16.0, GPU=4.0), node(CPU=16.0, GPU=4.0)], "auto", (8, 4, True)),
        ([node(CPU=16.0, GPU=4.0), node(CPU=64.0)], 2, (2, 8, True)),
        ([node(CPU=8.0), {"Alive": False, "Resources": {"CPU": 99.0}}], 2, (2, 4, False)),
    ],
)
def test_the_cluster_is_shared_out_evenly(nodes, asked, expected):
    share = cluster._share(nodes, asked)
    assert (share.workers, share.cpus, share.use_gpu) == expected


def test_more_workers_than_gpus_are_refused():
    with pytest.raises(ClusterError, match=r"train\.num_workers: expected at most the cluster's 2 GPUs, got 3"):
        cluster._share([node(CPU=16.0, GPU=2.0)], 3)
