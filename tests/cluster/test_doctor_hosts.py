"""`segnet doctor` on hosts that share nothing but a network, in order and with one fault each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT, hosts, ray_hosts
from tests.support.storage_host import StorageHost

pytestmark = [hosts.needed, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]
CLI = "from pipeline.cli import main; main()"
ON_NODES = ["cluster", "nodes", "clocks", "names", "connections", "all-reduce", "storage", "machines"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository on the driver's host, which no node sees."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    subprocess.run([Path(sys.executable).parent / "dvc", "init", "-q"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def cluster(project):
    with hosts.network() as network:
        storage = StorageHost(network, project)
        cluster = ray_hosts.RayHosts(network, project, **storage.environment)
        cluster.storage = storage
        for name in ("node1", "node2"):
            cluster.add(name, sees=(), **storage.environment)
        yield cluster


def examined(cluster, project, address):
    """Return the results of the checks on nodes, by name, and the exit code."""
    tree = YAML().load(project / "params.yaml")
    tree["storage"] |= {"address": address, "cache": "/tmp/cache"}
    YAML().dump(tree, project / "params.yaml")
    settings = {"MLFLOW_TRACKING_URI": cluster.mlflow(), **cluster.storage.environment}
    done = cluster.python("-c", CLI, "doctor", "--json", "--megabytes", "1", folder=project, **settings)
    assert "Traceback" not in done.stderr, done.stderr
    results = {result["name"]: result for result in json.loads(done.stdout)["checks"]}
    return {name: results[name] for name in ON_NODES if name in results}, done.returncode


def faults(results):
    return {name: (result["detail"], result["fix"]) for name, result in results.items() if not result["ok"]}


def test_a_cluster_in_order_passes_every_check(cluster, project):
    results, _ = examined(cluster, project, cluster.storage.address)
    assert faults(results) == {}
    assert list(results) == ON_NODES
    assert results["cluster"]["detail"] == f"2 nodes for workers, head at {cluster.address}"
    assert results["connections"]["detail"] == "TCP between all 2 pairs"
    assert results["names"]["detail"].startswith("interfaces eth0; own names resolve elsewhere, which is avoided: ")
    assert results["all-reduce"]["detail"].startswith("gloo over 2 nodes, ")
    assert results["storage"]["detail"] == f"{cluster.storage.address}, written by each node and read by every other"
    assert cluster.storage.objects("doctor") == []


def test_a_repository_that_nodes_do_not_see_is_no_storage(cluster, project):
    results, code = examined(cluster, project, "local")
    [(what, fix)] = faults(results).values()
    nodes = sorted(cluster.nodes[name].address for name in cluster.nodes)
    assert what == f"{(project / 'runs').as_uri()}: " + ", ".join(f"{a}: nothing at {project}/runs" for a in nodes)
    assert fix == "mount this repository on every node, or set storage.address"
    assert code == 1


def test_nodes_that_do_not_reach_each_other_are_named(cluster, project):
    one, two = cluster.nodes["node1"], cluster.nodes["node2"]
    one.run("ip", "route", "add", "unreachable", f"{two.address}/32")
    try:
        results, code = examined(cluster, project, cluster.storage.address)
    finally:
        one.run("ip", "route", "del", "unreachable", f"{two.address}/32")
    found = faults(results)
    assert set(found) == {"connections", "all-reduce"}
    assert f"{one.address} to {two.address}: " in found["connections"][0]
    assert found["connections"][1].startswith("open all TCP ports between nodes")
    assert code == 1


def test_a_node_without_credentials_is_named(cluster, project):
    settings = {**cluster.storage.environment, "AWS_ENDPOINT_URL": f"http://{cluster.storage.host.address}:9"}
    other = cluster.add("node3", sees=(), **settings)
    try:
        results, code = examined(cluster, project, cluster.storage.address)
    finally:
        cluster.remove("node3")
    [(what, fix)] = faults(results).values()
    assert f"{other.address}: expected to write {cluster.storage.address}" in what
    assert fix == "check storage.address, and the credentials of each node (AWS_ACCESS_KEY_ID ...)"
    assert code == 1
