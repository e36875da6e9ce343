"""Nodes that join and leave during training, tested with real local Ray nodes."""

import os
import subprocess
import sys
import time

import pytest
import torch

from pipeline.cluster import run as cluster
from pipeline.cluster.run import Place, Plan
from pipeline.training import checkpoint, train
from pipeline.training.train import TrainingError
from pipeline.training.trainer import Job
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import ANYWHERE, SETTINGS, TINY, ignore

EPOCHS = 10
# The nodes run in a separate process, since the driver starts and shuts down its own Ray.
NODES = """
import sys
from ray.cluster_utils import Cluster
own = {"num_cpus": 1, "object_store_memory": 150_000_000, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=own)
print(cluster.address, flush=True)
del own["include_dashboard"]
for line in sys.stdin:
    if line.strip() == "add":
        node = cluster.add_node(**own)
    elif line.strip() == "remove":
        cluster.remove_node(node, allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""


@pytest.fixture
def nodes(monkeypatch):
    """Return a function that adds a node of one CPU to the one-node cluster at RAY_ADDRESS, or removes it."""
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", NODES], env=environment, **pipes) as process:
        monkeypatch.setenv("RAY_ADDRESS", process.stdout.readline().strip())
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "10")

        def say(word):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        yield say
        process.communicate()


@pytest.mark.ray
@pytest.mark.slow
def test_workers_join_and_leave_and_the_model_is_the_one_that_one_worker_trains(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.cluster.trainer._RESIZE_SECONDS", 1.0)
    settings = SETTINGS.model_copy(update={"epochs": EPOCHS, "num_workers": (1, 2), "precision": "float32"})
    job = Job(write_tiles(tmp_path / "data"), TINY, settings, (1.0, 1.0))
    seen = []

    def slowly(job, *, report, **options):  # otherwise training would end before a node has joined
        def wait_and_report(epoch):
            report(epoch)
            time.sleep(3)

        import torch

        torch.set_default_dtype(torch.float64)  # so that only the number of workers could make a difference

        train.fit(job, report=wait_and_report, **options)

    def follow(epoch):
        seen.append((int(epoch["epoch"]), int(epoch["workers"])))
        if epoch["epoch"] == 2:
            nodes("add")
        elif epoch["workers"] == 2 and "removed" not in seen:
            nodes("remove")
            seen.append("removed")

    plan = Plan(Place(tmp_path / "elastic", train.reads(job)), (1, 2), 3, TrainingError, ANYWHERE, 4)
    with cluster.workers(slowly, job, plan) as workers:
        workers.run(on_report=follow, on_progress=ignore, on_pictures=ignore)
    workers = [entry[1] for entry in seen if entry != "removed"]
    assert (workers[0], 2 in workers, workers[-1]) == (1, True, 1)
    elastic = checkpoint.last(plan.place.folder)
    assert [epoch["epoch"] for epoch in elastic.history] == list(range(1, EPOCHS + 1))

    alone = tmp_path / "alone"
    quiet = dict.fromkeys(("report", "progress", "say", "pictures"), ignore)
    alone.mkdir()
    torch.set_default_dtype(torch.float64)
    try:
        train.fit(job, folder=alone, device=torch.device("cpu"), **quiet)
    finally:
        torch.set_default_dtype(torch.float32)
    one = checkpoint.last(alone)
    for epoch, other in zip(elastic.history, one.history, strict=True):
        assert epoch["train/loss"] == pytest.approx(other["train/loss"], rel=1e-8), epoch["epoch"]
