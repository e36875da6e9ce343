"""A job of a cluster whose head, node and user are hosts of their own, that have but one folder in common."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support import hosts, ray_hosts
from tests.support.repository import Repository

pytestmark = [hosts.needed, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]
_BIN = Path(sys.executable).parent
SETTINGS = {**ray_hosts.ENVIRONMENT, "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def share(tmp_path):
    return tmp_path / "share"


@pytest.fixture
def cluster(share):
    with ray_hosts.cluster(share, dashboard=True, PATH=SETTINGS["PATH"]) as cluster:
        cluster.add("node1")
        yield cluster


def test_results_of_a_job_that_trains_on_another_node_reach_the_users_tree(cluster, share, tmp_path):
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository")
    user = cluster.network.add("user", sees=(made.folder,))
    address = f"http://{cluster.head.address}:8265"

    def segnet(*arguments):
        command = (sys.executable, "-c", "from pipeline.cli import main; main()", *arguments, "--address", address)
        settings = {**SETTINGS, "PYTHONPATH": made.folder, "MLFLOW_TRACKING_URI": cluster.mlflow()}
        return user.run(*command, folder=made.folder, timeout=500, **settings)

    done = segnet("submit", "--storage", f"file://{share / 'storage'}", "--id", "hosts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (share / "storage").is_relative_to(made.folder)
    # The user does not see the storage, but the machine that the test runs on does.
    record = json.loads((share / "storage/jobs/hosts/results.json").read_text())
    assert record["origin"]["commit"] == made.run("git", "rev-parse", "HEAD").strip()
    fetched = made.run(_BIN / "segnet", "fetch", "hosts", "--storage", f"file://{share / 'storage'}")
    assert fetched.startswith("hosts succeeded: 16 files fetched: dvc.lock, models/, reports/")
    assert made.status() == ["download", "validate", "tile", "train", "evaluate", "register"]  # they lack the data
    assert "models/segnet" not in made.run("dvc", "status")
