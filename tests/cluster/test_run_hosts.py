"""Training on hosts that share a network, and one folder with data and runs, but neither code nor /tmp."""

import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from pipeline.training import checkpoint
from tests.support import ROOT, SCENES, hosts, ray_hosts, slow_training
from tests.support.left_behind import until
from tests.support.stores import sqlite
from tests.support.tiny_data import write_tiles

pytestmark = [hosts.needed, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]
SMALL = {
    r"width: 0\.25": "width: 0.0625",
    r"\n  epochs: \d+": "\n  epochs: 2",
    r"batch_size: 8": "batch_size: 4",
    r"num_workers: auto": "num_workers: 2",
    r"deterministic: false": "deterministic: true",
    r"checkpoint_minutes: .*": "checkpoint_minutes: null",  # after each epoch
}
SENT = "find /tmp/ray/session_latest/runtime_resources/py_modules_files -mindepth 1 -maxdepth 1 -type d"
# The settings of the head that README recommends: a lost node is noticed after about 12 s in place of a minute.
NOTICES_SOON = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}


def write_project(folder):
    """Write what a stage needs of a repository: params and tiles."""
    text = SCENES.read_text()
    for old, new in SMALL.items():
        text, count = re.subn(old, new, text)
        assert count, old
    (folder / "data").mkdir(parents=True)
    (folder / "params.yaml").write_text(text)
    shutil.move(write_tiles(folder / "made"), folder / "data" / "tiles")
    return folder


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="module")
def project(share):
    return write_project(share / "project")


@pytest.fixture(scope="module")
def cluster(share):
    with ray_hosts.cluster(share, **NOTICES_SOON) as cluster:
        cluster.add("node1")
        cluster.add("node2")
        yield cluster


# What any training says in a project that is in no repository.
OF_ANY = (
    "waiting for|computing in|watch it in a browser|(joining|starting) Ray|[0-9] workers? ready|best epoch|"
    "there is no git commit here"
)


def trained(cluster, project, **settings):
    """Run the stage; return its error lines, without those of any training, and the model's bytes if it succeeded."""
    done = cluster.python("-m", "stages.train", folder=project, MLFLOW_TRACKING_URI=cluster.mlflow(), **settings)
    assert "\x1b" not in done.stdout + done.stderr
    model = project / "models" / "segnet" / "model.safetensors"
    return SimpleNamespace(
        errors=[line for line in done.stderr.splitlines() if not re.search(OF_ANY, line)],
        status=done.returncode,
        model=model.exists() and model.read_bytes(),
    )


def trained_on_one_machine(folder, project):
    """Return the model that two cores of this machine train with the params of a project, without hosts or storage."""
    alone = write_project(folder / "project")
    text = (project / "params.yaml").read_text()
    (alone / "params.yaml").write_text(re.sub("address: s3.*", "address: local", text))
    two = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))  # a thread for each worker, as on the hosts
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": sqlite(folder)}
    command = ["taskset", "--cpu-list", two, sys.executable, "-m", "stages.train"]
    done = subprocess.run(command, cwd=alone, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (alone / "models/segnet/model.safetensors").read_bytes()


def test_nodes_without_the_code_are_sent_it_once(cluster, project):
    node = cluster.nodes["node1"]
    assert node.run(sys.executable, "-c", "import pipeline").returncode == 1
    several = trained(cluster, project)
    assert (several.status, several.errors) == (0, [])
    assert several.model
    assert len(node.run("sh", "-c", SENT).stdout.splitlines()) == 1


def test_what_nodes_lack_is_named_at_once(cluster, project, share):
    other = share / "other"
    shutil.copytree(ROOT / "pipeline", other / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (other / "pipeline" / "__init__.py").write_text('"""Another version."""\n')
    (project / "runs").mkdir(exist_ok=True)
    tiles = project / "data" / "tiles"
    try:
        cluster.add("other-code", PYTHONPATH=other)
        cluster.add("no-data", sees=(project / "runs",))
        cluster.add("no-runs", sees=(tiles,))
        failed = trained(cluster, project)
        address = {name: host.address for name, host in cluster.nodes.items()}
    finally:
        for name in ("other-code", "no-data", "no-runs"):
            if name in cluster.nodes:
                cluster.remove(name)
    assert failed.status == 1
    [line] = failed.errors  # no worker was started, and none was started again
    code, data, runs = line.removeprefix("error: ").split("; expected ")
    # ... each of which also says what to do, after another semicolon
    assert re.match(
        rf"expected node {address['other-code']} to have this program's code, package pipeline with SHA-256 "
        r"[0-9a-f]{12}, or none, got [0-9a-f]{12}; install the same version there, or remove it",
        code,
    )
    assert data.startswith(f"node {address['no-data']} to see {tiles} as this machine does, got nothing at this path; ")
    assert re.match(rf"node {address['no-runs']} to see the run's folder {project}/runs/[0-9a-f]+, got another", runs)


def test_a_lost_node_is_replaced_and_the_model_is_that_of_an_undisturbed_training(cluster, project, share):
    tiles, run, output = project / "data" / "tiles", share / "lasting", share / "lasting.log"
    command = [sys.executable, "-m", "tests.support.slow_training", tiles, run, 1, 3]
    settings = {"RAY_ADDRESS": cluster.address, **ray_hosts.ENVIRONMENT}
    with output.open("wb") as file:
        driver = subprocess.Popen(cluster.head.command(*command, folder=ROOT, **settings), stdout=file, stderr=file)
    with driver:
        assert until(lambda: " epoch 2\n" in output.read_text(), 200, driver), output.read_text()
        cluster.nodes.pop("node1").crash()
        cluster.add("node3")
        driver.wait(250)
    text = output.read_text()
    assert driver.returncode == 0, text
    assert "\x1b" not in text
    assert "(raylet)" not in text
    at = {words: float(seconds) for seconds, words in re.findall(r"(?m)^ *([\d.]+) (.*)$", text)}
    assert [words for words in at if words.startswith("failed: worker ")], text
    resumed = next(seconds for words, seconds in at.items() if words.startswith("resuming run lasting at epoch 3 of 8"))
    assert resumed - at["epoch 2"] < 60, text

    again = cluster.python("-m", "tests.support.slow_training", tiles, share / "undisturbed", 0, 0, folder=ROOT)
    assert again.returncode == 0, again.stderr
    disturbed, undisturbed = checkpoint.last(run), checkpoint.last(share / "undisturbed")
    assert len(disturbed.history) == slow_training.EPOCHS
    assert disturbed.model.keys() == undisturbed.model.keys()
    for name, weights in undisturbed.model.items():
        assert torch.equal(disturbed.model[name], weights), name
