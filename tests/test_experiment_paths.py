"""Relative paths of params name the same files in an experiment's temporary copy, where untracked files are missing."""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML
from safetensors.torch import save_file

from tests.support import ROOT
from tests.support.repository import Repository

VGG16 = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
NAMES = [f"conv{level}_{i}" for level, count in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, count + 1)]


@pytest.fixture
def repository(tmp_path):
    """A repository whose images and VGG16 weights lie in folders that git does not track, named by relative paths."""
    repository = Repository(tmp_path)
    generator = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "fields" / kind).mkdir(parents=True)
    for i in range(9):
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / f"fields/images/a_{i}.jpg")
        Image.fromarray(generator.integers(0, 3, (32, 32), np.uint8)).save(tmp_path / f"fields/masks/a_{i}.png")
    weights = {}
    for name, (inputs, outputs) in zip(NAMES, pairwise(VGG16), strict=True):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = torch.zeros(outputs, inputs, 3, 3), torch.zeros(outputs)
    save_file(weights, tmp_path / "vgg16.safetensors")
    yaml = YAML()
    tree = yaml.load(ROOT / "presets" / "folder.yaml")
    tree["dataset"] |= {"path": "fields", "sequence": r"(\d)\.jpg$"}
    tree["dataset"]["splits"] = {"by": "ratio", "train": 0.4, "val": 0.3, "test": 0.3, "seed": 1}
    tree["tile"] |= {"height": 32, "width": 32, "stride_y": 32, "stride_x": 32}
    tree["model"] |= {"width": 1.0, "vgg16": {"path": "vgg16.safetensors", "sha256": None, "trained_on": "caffe"}}
    tree["train"] |= {"epochs": 1, "batch_size": 2, "num_workers": 1, "warmup_epochs": 0.0}
    yaml.dump(tree, tmp_path / "params.yaml")
    repository.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "own data")
    return repository


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_relative_paths_start_at_the_repository_in_temporary_and_queued_experiments(repository):
    repository.run("dvc", "exp", "run", "--temp", "--name", "temporary", "-S", "train.seed=2", "train")
    repository.run("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "train.seed=3", "train")
    repository.run("dvc", "exp", "run", "--run-all", "--jobs", "1")
    weights = hashlib.sha256((repository.folder / "vgg16.safetensors").read_bytes()).hexdigest()
    made_of = [json.loads(path.read_text()) for path in (repository.folder / "runs").glob("*/inputs.json")]
    assert {inputs["train"]["seed"] for inputs in made_of} == {2, 3}
    assert [inputs["vgg16"] for inputs in made_of] == [weights, weights]
