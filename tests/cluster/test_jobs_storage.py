"""The whole path by `segnet submit`, on hosts that share nothing but a network with an S3 and an MLflow server."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.cluster.test_run_hosts import NOTICES_SOON
from tests.support import hosts, ray_hosts
from tests.support.left_behind import until
from tests.support.repository import Repository
from tests.support.storage_host import StorageHost

pytestmark = [hosts.needed, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]
EPOCHS = 4
CHANGES = {
    r"\n  epochs: \d+": f"\n  epochs: {EPOCHS}",
    r"num_workers: auto": "num_workers: 2",
    r"precision: auto": "precision: float32",
    r"deterministic: false": "deterministic: true",
    r"cache: ~/.cache/segnet": "cache: /tmp/cache",
}


@pytest.fixture
def network():
    with hosts.network() as network:
        yield network


@pytest.fixture
def storage(network, tmp_path):
    (tmp_path / "storage").mkdir()
    return StorageHost(network, tmp_path / "storage")


@pytest.fixture
def made(storage, tmp_path):
    """The user's repository."""
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository")
    path = made.folder / "params.yaml"
    text = path.read_text()
    for old, new in {**CHANGES, r"address: local": f"address: {storage.address}"}.items():
        text, count = re.subn(old, new, text)
        assert count, old
    path.write_text(text)
    made.run("dvc", "remote", "add", "--default", "store", f"{storage.address}/dvc")
    made.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "cluster")
    return made


def start(network, storage, folder):
    """Start a head that takes jobs, and two nodes that see nothing of it; return the cluster."""
    folder.mkdir()
    settings = {**storage.environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    cluster = ray_hosts.RayHosts(network, folder, dashboard=True, **NOTICES_SOON, **settings)
    for name in ("node1", "node2"):
        cluster.add(name, sees=(), **settings)
    return cluster


@pytest.fixture
def user(network, storage, made):
    """Run commands of the user, who has nothing but the repository, and the program in it."""
    host = network.add("user", sees=(made.folder,))
    settings = {**ray_hosts.ENVIRONMENT, **storage.environment, "MLFLOW_TRACKING_URI": storage.mlflow()}
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings["PYTHONPATH"] = str(made.folder)

    def run(name, *words):
        done = host.run(Path(sys.executable).parent / name, *words, folder=made.folder, timeout=900, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_job_outlives_its_cluster_and_its_results_reach_the_user(network, storage, made, user, tmp_path):
    first = start(network, storage, tmp_path / "first")
    address = f"http://{first.head.address}:8265"
    submit = ("segnet", "submit", "-S", "register.min_miou=0.001", "--address")
    job = user(*submit, address, "--detach").partition(":")[0]
    assert until(lambda: storage.steps() >= 6, 500), user("segnet", "jobs", "--address", address)
    for host in (first.head, *first.nodes.values()):
        host.crash()

    second = start(network, storage, tmp_path / "second")
    done = user(*submit, f"http://{second.head.address}:8265")
    assert done.startswith(f"{job}: "), "the same inputs are the same job"
    resumed = re.search(rf"resuming run (\w+) at epoch (\d+) of {EPOCHS}", done)
    assert resumed, done
    assert int(resumed[2]) >= 2  # an epoch takes six steps
    fetched = user("segnet", "fetch", job)
    assert fetched.startswith(f"{job} succeeded: 17 files fetched: dvc.lock, models/, params.yaml, reports/")
    assert "registered: models:/segnet-scenes/1 in http://" in fetched
    commit = made.run("git", "rev-parse", "HEAD").strip()
    verified = user("segnet", "verify", "1")
    assert re.search(rf"commit: \d+ files at {commit[:12]}; params.yaml differed from it", verified)
    assert f"git worktree add --detach ../segnet-scenes-1 {commit}" in user("segnet", "trace", "1")
    user("dvc", "pull")
    assert (made.folder / "data/tiles/tiles.json").is_file()
    assert (made.folder / "models/segnet/model.safetensors").is_file()
