"""Every network is trained by the same stage: only its name in params.yaml changes.

U-Net, which has no pooling indices, trains on Ray, as SegNet does in tests/test_repro.py; starting workers takes longer
than training, so the others train in the stage's own process.
"""

import re

import pytest

from pipeline.artifacts.model import read_model
from pipeline.core.models import MODELS
from tests.support.repository import Repository

# The stage's main, for several networks: with a process each, importing libraries would take minutes.
TRAIN = """
import re, sys
from pathlib import Path
from stages import train

params = Path("params.yaml")
for name in sys.argv[1:]:
    params.write_text(re.sub(r"(\\nmodel:\\n  name: ).*", rf"\\g<1>{name}", params.read_text()))
    train.main()
    Path("models/segnet").rename(f"models/{name}_trained")
"""
WITHOUT_RAY = """
from contextlib import nullcontext
from types import SimpleNamespace
import torch
from stages import train

def workers(function, job, plan):
    def run(*, on_report, on_progress, on_pictures):
        listeners = {"report": on_report, "progress": on_progress, "pictures": on_pictures, "say": print}
        function(job, folder=plan.place.folder, device=torch.device("cpu"), **listeners)

    return nullcontext(SimpleNamespace(run=run))

train.workers = workers
"""
ON_RAY = ["unet"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    repository = Repository(tmp_path_factory.mktemp("repository"))
    params = repository.folder / "params.yaml"
    text, count = re.subn(r"\n  (epochs: \d+|warmup_epochs: .*)", "", params.read_text())
    assert count == 2
    params.write_text(text.replace("\ntrain:", "\ntrain:\n  epochs: 1\n  warmup_epochs: 0.0"))
    repository.run("dvc", "repro", "tile")
    return repository


def assert_trained(repository, names, output):
    assert output.count("epoch 1/1") == len(names)
    for name in names:
        spec, _ = read_model(repository.folder / f"models/{name}_trained")
        assert spec.network == name


@pytest.mark.ray
@pytest.mark.slow
def test_the_train_stage_trains_a_network_without_indices_on_ray(repository):
    assert_trained(repository, ON_RAY, repository.run("python", "-c", TRAIN, *ON_RAY))


@pytest.mark.slow
def test_the_train_stage_trains_each_of_the_others(repository):
    names = [name for name in MODELS if name not in ON_RAY]
    assert_trained(repository, names, repository.run("python", "-c", WITHOUT_RAY + TRAIN, *names))
