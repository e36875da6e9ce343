"""Each network is trained by the same path: its name in params.yaml is all that changes."""

import json
import re
import subprocess
import sys

import pytest
from repository import Repository

from pipeline.core.models import MODELS
from pipeline.files import checkpoint

# A cluster that lives until its standard input ends; each training joins it, which is faster than one for each.
CLUSTER = """
import sys
import ray
print(ray.init(
    address="local", num_cpus=2, include_dashboard=False, object_store_memory=150_000_000, logging_level="ERROR"
).address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    repository = Repository(tmp_path_factory.mktemp("repository"))
    params = repository.folder / "params.yaml"
    text, count = re.subn(r"\n  (epochs: \d+|warmup_epochs: .*)", "", params.read_text())
    assert count == 2
    params.write_text(text.replace("\ntrain:", "\ntrain:\n  epochs: 1\n  warmup_epochs: 0.0"))
    repository.run("dvc", "repro", "tile")
    return repository


@pytest.fixture(scope="module")
def cluster(repository):
    environment = repository.environment(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    command = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()
        process.communicate()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_train_stage_trains_it_for_an_epoch(repository, cluster, name):
    params = repository.folder / "params.yaml"
    params.write_text(re.sub(r"(\nmodel:\n  name: ).*", rf"\g<1>{name}", params.read_text()))
    output = repository.run("python", "-m", "stages.train", RAY_ADDRESS=cluster, RAY_AUTH_MODE="disabled")
    assert "epoch 1/1" in output
    spec, _ = checkpoint.read_model(repository.folder / "models/segnet")
    assert spec.network == name
    assert json.loads((repository.folder / "reports/train.json").read_text())["epochs"] == 1
