"""Training and evaluating on hosts that share nothing but a network, on which there is an object store."""

import os
import re
import subprocess
import sys
import time

import pytest

from pipeline.artifacts import scores
from pipeline.files.digest import file_sha256
from tests.cluster.test_run_hosts import NOTICES_SOON, trained, trained_on_one_machine, write_project
from tests.support import ROOT, hosts, ray_hosts
from tests.support.left_behind import until
from tests.support.storage_host import StorageHost

CACHE = "/tmp/cache"
pytestmark = [hosts.needed, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the driver's host sees, and no other."""
    return tmp_path_factory.mktemp("driver")


@pytest.fixture(scope="module")
def cluster(folder):
    with hosts.network() as network:
        storage = StorageHost(network, folder)
        cluster = ray_hosts.RayHosts(network, folder, **NOTICES_SOON, **storage.environment)
        cluster.storage = storage
        for name in ("node1", "node2"):
            cluster.add(name, sees=(), **storage.environment)
        yield cluster


def project_at(cluster, folder, *, epochs=2):
    project = write_project(folder)
    text = (project / "params.yaml").read_text().replace("\n  epochs: 2", f"\n  epochs: {epochs}")
    text = text.replace("address: local", f"address: {cluster.storage.address}").replace("~/.cache/segnet", CACHE)
    (project / "params.yaml").write_text(text)
    return project


def test_nodes_without_a_shared_path_train_the_model_that_one_machine_trains(cluster, folder, tmp_path):
    project = project_at(cluster, folder / "project")
    several = trained(cluster, project, **cluster.storage.environment)
    assert (several.status, several.errors) == (0, [])
    unused = {file_sha256(path) for path in (project / "data" / "tiles").glob("test-*.arrow")}
    for node in cluster.nodes.values():
        assert node.run("ls", str(project)).returncode != 0
        fetched = set(node.run("ls", f"{CACHE}/blobs").stdout.split())
        assert len(fetched) > 4
        assert not fetched & unused
    assert several.model == trained_on_one_machine(tmp_path, project)


def test_losing_the_storage_and_a_node_that_comes_back_changes_nothing(cluster, folder, tmp_path):
    project, log = project_at(cluster, folder / "lasting", epochs=12), folder / "lasting.log"
    settings = {"RAY_ADDRESS": cluster.address, **ray_hosts.ENVIRONMENT, **cluster.storage.environment}
    settings["MLFLOW_TRACKING_URI"] = cluster.mlflow()
    command = cluster.head.command(sys.executable, "-m", "stages.train", folder=project, **settings)
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as driver:
        assert until(lambda: copied(project, cluster) >= 2, 200, driver), log.read_text()
        cluster.storage.host.unplug()
        time.sleep(20)
        cluster.storage.host.plug_in()
        steps = copied(project, cluster)
        assert until(lambda: copied(project, cluster) > steps, 100, driver), log.read_text()
        lost = cluster.nodes.pop("node1")
        lost.unplug()
        cluster.add("node3", sees=(), **cluster.storage.environment)
        assert until(lambda: "resuming run" in log.read_text(), 200, driver), log.read_text()
        lost.plug_in()  # whatever still runs there, nobody waits for it
        driver.wait(300)
    text = log.read_text()
    assert driver.returncode == 0, text
    assert re.search(r"(?m)^train: resuming run [0-9a-f]{16} at epoch \d+ of 12, step \d+$", text), text
    assert (project / "models/segnet/model.safetensors").read_bytes() == trained_on_one_machine(tmp_path, project)
    for name, node in cluster.nodes.items():  # the new one, too, which had fetched what it resumed from
        assert node.run("find", f"{CACHE}/runs", "-name", "step-*").stdout == "", name


def test_workers_run_where_the_labels_are(cluster, folder):
    project = project_at(cluster, folder / "labelled", epochs=3)
    text = (project / "params.yaml").read_text().replace("num_workers: 2", "num_workers: 1")
    (project / "params.yaml").write_text(text.replace("node_labels: {}", "node_labels: {kind: large}"))
    failed = trained(cluster, project, **cluster.storage.environment)
    assert failed.errors[-1].startswith(
        "error: placement.node_labels: expected a node with kind=large, got nodes with none; "
    )
    large = cluster.add("large", sees=(), labels="kind=large", **cluster.storage.environment)
    done = trained(cluster, project, **cluster.storage.environment)
    assert (done.status, done.errors) == (0, [])
    assert large.run("ls", f"{CACHE}/blobs").stdout


def test_nodes_that_see_no_image_count_what_one_process_counts_although_one_is_lost(cluster, folder, tmp_path):
    log, command = folder / "evaluated.log", (sys.executable, "-m", "tests.support.evaluated")
    settings = {"RAY_ADDRESS": cluster.address, **ray_hosts.ENVIRONMENT}
    by_nodes = cluster.head.command(*command, folder / "evaluated", 8, folder=ROOT, **settings)
    with log.open("wb") as file, subprocess.Popen(by_nodes, stdout=file, stderr=file) as driver:
        assert until(lambda: "\n17\n" in log.read_text(), 100, driver), log.read_text()
        cluster.nodes.pop("node2").crash()
        driver.wait(200)
    assert driver.returncode == 0, log.read_text()
    assert re.search(r"evaluated: \d nodes, \d at once\n1\n", log.read_text())

    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, tmp_path / "alone", "8"], cwd=ROOT, env=alone, check=True, capture_output=True)
    for name in ("shown.txt", *scores.READ):
        assert (folder / "evaluated" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name


def copied(project, cluster):
    """Return the number of steps after which the newest copied checkpoint of the project's run was written."""
    [run] = [path.name for path in (project / "runs").glob("*") if path.is_dir() and "unsent" not in path.name] or [""]
    return cluster.storage.steps(run) if run else 0
