"""What Ray starts on a machine of its own, tested on real local clusters."""

import os
import platform
import resource
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import torch

from pipeline.cluster import idle_agent, run as cluster
from pipeline.cluster.run import Place, Plan
from pipeline.training import checkpoint, train
from pipeline.training.train import TrainingError
from pipeline.training.trainer import Job
from tests.support import ROOT
from tests.support.left_behind import until
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import ANYWHERE, SETTINGS, TINY, ignore

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def workers(tiles, tmp_path):
    """Return a function that starts workers for a function, which is to train two epochs."""

    def workers(num_workers=1, function=train.fit):
        job = Job(tiles, TINY, SETTINGS.model_copy(update={"epochs": 2}), (1.0, 1.0))
        place = Place(tmp_path / "toy", train.reads(job))
        return cluster.workers(function, job, Plan(place, num_workers, 0, TrainingError, ANYWHERE, 4))

    return workers


def run(started):
    """Run workers; return what they report."""
    reports = []
    started.run(on_report=reports.append, on_progress=ignore, on_pictures=ignore)
    return reports


def own(kind=""):
    """Return the processes that this one has started, and they in turn, by PID: command lines that name a kind."""
    lines = {}
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            lines[each.pid] = "\n".join(each.cmdline())
    return {pid: line for pid, line in lines.items() if kind in line}


@pytest.mark.slow
def test_no_process_only_watches(workers):
    with workers() as started:
        assert until(lambda: own("RayTrainWorker"), 60)
        lines = own().values()
        assert len(own("RayTrainWorker")) == 1
        assert len([line for line in lines if line.split("\n")[3:4] == [idle_agent.__file__]]) == 2
        assert len(run(started)) == 2
    processes = "\n\n".join(lines)
    for each in ("AutoscalingCoordinator", "dashboard.py", "monitor.py", "log_monitor.py"):
        assert each not in processes


@pytest.mark.slow
def test_workers_meet_at_no_actor(workers):
    seen = []
    with workers() as started:
        started.run(on_report=lambda _: seen.extend(own().values()), on_progress=ignore, on_pictures=ignore)
    assert "RayTrainWorker" in "\n".join(seen)
    assert "SynchronizationActor" not in "\n".join(seen)


@pytest.mark.slow
def test_workers_start_before_they_are_wanted_and_end_without_a_run(workers):
    def fail():
        with workers(2):
            assert until(lambda: len(own("RayTrainWorker")) == 2, 60)
            raise OSError("no MLflow")

    with pytest.raises(OSError, match="no MLflow"):
        fail()
    assert until(lambda: not own("raylet"), 30)


@pytest.mark.slow
def test_a_worker_that_dies_before_the_run_is_started_again(workers):
    with workers() as started:
        assert until(lambda: own("RayTrainWorker"), 60)
        for pid in own("RayTrainWorker"):
            psutil.Process(pid).kill()
        assert [epoch["epoch"] for epoch in run(started)] == [1, 2]


def environment(_):
    """Return an environment of workers' own, as RAY_RUNTIME_ENV_HOOK names its maker."""
    return {"env_vars": {"OF_THEIR_OWN": "1"}}


@pytest.mark.slow
def test_workers_have_the_environment_of_the_driver(workers, monkeypatch):
    monkeypatch.setenv("RAY_RUNTIME_ENV_HOOK", f"{__name__}.environment")
    monkeypatch.setenv("OF_THE_DRIVER", "2")

    def tell(job, *, report, **_):
        report({key: value for key, value in os.environ.items() if key in ("OF_THEIR_OWN", "OF_THE_DRIVER")})

    with workers(function=tell) as started:
        assert run(started) == [{"OF_THE_DRIVER": "2"}]


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
@pytest.mark.parametrize("is_kept", [True, False])
def test_workers_keep_freed_memory_unless_the_user_says_otherwise(workers, monkeypatch, is_kept):
    if not is_kept:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
        monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")

    def fault(job, *, report, **_):
        faults = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
        for _ in range(20):  # steps, whose tensors are of 30 and 80 MB
            torch.ones(7_500_000).add(torch.ones(20_000_000).sum())
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
        report({"fewest": min(after - before for before, after in pairwise(faults))})

    with workers(function=fault) as started:
        (reported,) = run(started)
    # 110 MB are 27,000 pages of 4 KiB; by default, those 80 MB are given back each time.
    assert (reported["fewest"] < 200) == is_kept


@pytest.mark.slow
def test_it_trains_under_uv_run(tiles, tmp_path):
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "run", "--no-project", "--offline", "--python", sys.executable, "python", "-m"]
    training = ["tests.support.slow_training", tiles, tmp_path / "toy", "0", "0"]
    done = subprocess.run([*command, *training], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.endswith(" ended\n"), done.stdout + done.stderr
    assert len(checkpoint.last(tmp_path / "toy").history) == 8
