"""The whole path by `segnet submit`, on hosts that share nothing but a network with an S3 and an MLflow server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.test_run_hosts import NOTICES_SOON
from tests.support import hosts, ray_hosts
from tests.support.left_behind import until
from tests.support.repository import Repository
from tests.support.storage_host import StorageHost

pytestmark = [hosts.needed, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]
EPOCHS = 24
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


def steps(storage):
    """Return the number of steps after which the newest checkpoint in the storage was written."""
    found = [re.fullmatch(r"runs/\w+/step-(\d+)\.json", name) for name in storage.objects("runs")]
    return max((int(match[1]) for match in found if match), default=0)


def assert_in_order(examined):
    assert examined.returncode == 0, examined.stdout + examined.stderr
    assert "ok     head: dvc: dvc 3" in examined.stdout
    assert "ok     cluster: 2 nodes for workers, head at " in examined.stdout


def assert_pulled(done):
    """Check that a job, which runs in a folder of its own, pulled what an earlier one pushed."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"Running stage '(\w+)'", done.stdout) == ["register"]


def test_a_job_outlives_its_cluster_and_gives_the_model_of_one_machine(network, storage, made, tmp_path):
    user = network.add("user", sees=(made.folder,))
    settings = {**ray_hosts.ENVIRONMENT, **storage.environment, "MLFLOW_TRACKING_URI": storage.mlflow()}
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings["PYTHONPATH"] = str(made.folder)  # of the program, the user has nothing but the repository

    def segnet(*words, timeout=900):
        return user.run(*command(*words), folder=made.folder, timeout=timeout, **settings)

    def command(*words):
        return (Path(sys.executable).parent / "segnet", *words)

    first = start(network, storage, tmp_path / "first")
    assert_in_order(segnet("doctor", "--megabytes", "1", "--address", f"http://{first.head.address}:8265"))
    sent = segnet("submit", "--detach", "--address", f"http://{first.head.address}:8265")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    job = sent.stdout.partition(":")[0]
    assert until(lambda: steps(storage) >= 12, 500), segnet("jobs", "--address", f"http://{first.head.address}:8265")
    for host in (first.head, *first.nodes.values()):
        host.crash()

    second = start(network, storage, tmp_path / "second")
    address = ("--address", f"http://{second.head.address}:8265")
    done = segnet("submit", *address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{job}: "), "the same inputs are the same job"
    resumed = re.search(rf"resuming run (\w+) at epoch (\d+) of {EPOCHS}", done.stdout)
    assert resumed, done.stdout
    assert int(resumed[2]) >= 3
    fetched = segnet("fetch", job)
    assert fetched.returncode == 0, fetched.stderr
    assert f"registered: models:/segnet-scenes/1 in {settings['MLFLOW_TRACKING_URI']}" in fetched.stdout
    model = (made.folder / "models/segnet/model.safetensors").read_bytes()
    verified = segnet("verify", "1")
    assert verified.returncode == 0, verified.stdout + verified.stderr

    assert_pulled(segnet("submit", "-S", "register.min_miou=0.001", *address))
    pulled = user.run("dvc", "pull", folder=made.folder, timeout=300, **settings)
    assert pulled.returncode == 0, pulled.stdout + pulled.stderr
    assert (made.folder / "data/tiles/tiles.json").is_file()

    (tmp_path / "alone").mkdir()
    alone = Repository(tmp_path / "alone")
    text = (made.folder / "params.yaml").read_text()
    (alone.folder / "params.yaml").write_text(text.replace(f"address: {storage.address}", "address: local"))
    environment = alone.environment(OMP_NUM_THREADS="1")
    subprocess.run(["dvc", "repro", "train"], cwd=alone.folder, env=environment, check=True, capture_output=True)
    assert (alone.folder / "models/segnet/model.safetensors").read_bytes() == model
