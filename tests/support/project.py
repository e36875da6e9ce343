"""A working tree as left by the stages before register, with a model of random weights and scores set by hand."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from pipeline import params
from pipeline.artifacts import manifest, scores, validation
from pipeline.artifacts.spec import read_spec
from pipeline.artifacts.validation import Validation
from pipeline.core.jackknife import MIN_BLOCKS
from pipeline.evaluation import evaluate
from pipeline.files import atomic, digest
from pipeline.registry import model_files
from pipeline.tracking import clone, runs, store
from pipeline.training.run import run_name
from stages import register as stage
from tests.support import SCENES, scored as examples, tiny_dataset
from tests.support.tiny_model import SPEC, write_model

IMAGES = MIN_BLOCKS  # each of a sequence of its own: just enough to compare models
DVC = """
stages:
  download: {cmd: a, outs: [data/raw]}
  validate: {cmd: b, deps: [data/raw], outs: [reports/validation.json]}
  tile: {cmd: c, deps: [data/raw], outs: [data/tiles]}
  train: {cmd: d, deps: [data/tiles], outs: [models/segnet, reports/train.json]}
  evaluate: {cmd: e, deps: [models/segnet], metrics: [reports/scores.json: {cache: false}]}
  register: {cmd: f, outs: [reports/registration.json]}
"""


def make(name, **gate):
    """Fill the current folder; the registered model is segnet-<name>, the experiment <name>."""
    tree = YAML(typ="safe").load(SCENES)
    tree["tracking"]["experiment"] = name
    tree["register"] |= gate
    YAML().dump(tree, Path("params.yaml"))
    add_code()
    source = replace(tiny_dataset.make(stage.RAW), dataset=name)
    manifest.write(source, stage.RAW)
    validation.write(Validation(name, (), ()), stage.REPORTS / "validation.json")
    atomic.write_text(Path("data/tiles/train.arrow"), "tiles")
    return replace(SPEC, dataset=name, classes=source.classes)


def add_code():
    """Copy the code that serves a version here, and name it in dvc.yaml like the deps of the real register stage."""
    for name, path in model_files.served_code().items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, name)
    Path("dvc.yaml").write_text(DVC.replace("register: {cmd: f,", "register: {cmd: f, deps: [pipeline],"))


def test_data():
    """The digest of the test images in data/raw."""
    images = manifest.read(stage.RAW).images
    return evaluate.digest(images[images["split"] == "test"])


def inputs_of(code):
    """The inputs of a training by the program `code`."""
    settings = params.load()
    sections = {name: getattr(settings, name).model_dump(mode="json") for name in ("model", "train")}
    return {"data": digest.directory_md5(Path("data/tiles")), **sections, "code": code}


def named(spec, code):
    """The spec of the model from such a training."""
    return replace(spec, run=run_name(inputs_of(code)))


def train(spec, seed=0):
    """Write the outputs of the train stage, and log its run."""
    write_model(stage.MODEL, spec, seed)
    inputs = inputs_of("")
    inputs = next((each for code in "abc" if run_name(each := {**inputs, "code": code}) == spec.run), {})
    tree = {"run": spec.run, "inputs": inputs, "class_weights": {"road": 1.0, "sky": 1.0}}
    atomic.write_json(stage.REPORTS / "train.json", tree)
    run = runs.start(spec.dataset, spec.run)
    runs.log_environment(run)
    settings = params.load()
    runs.log_params(run, {name: getattr(settings, name).model_dump(mode="json") for name in ("model", "train")})


def score(spec, hits, **changes):
    """Write the outputs of the evaluate stage: images of four pixels; mIoU 1 with four hits, else hits / 8."""
    counts = np.zeros((IMAGES, 2, 2), np.int64)
    counts[:, 0, 0], counts[:, 0, 1] = hits, 4 - hits
    result = examples.scores(
        run=spec.run,
        dataset=spec.dataset,
        names=spec.classes.names,
        counts=counts,
        boundaries=np.zeros((IMAGES, 2, 5), np.int64),
        ids=tuple(f"test/{number:02}" for number in range(IMAGES)),
        sequences=tuple(f"{number:02}" for number in range(IMAGES)),
        **{"test_data": test_data(), **changes},
    )
    scores.write(stage.REPORTS, result, examples.INTERVALS)


def registered(spec, hits, **changes):
    """Train unless the model is already there, score it and run the stage; return the stage's output."""
    if not stage.MODEL.exists() or read_spec(stage.MODEL) != spec:
        train(spec, seed=ord(spec.run[-1]))
    score(spec, hits, **changes)
    stage.main()
    return json.loads((stage.REPORTS / "registration.json").read_text())


def copy(source, folder):
    """Copy a working tree that holds its store, mlflow.db, to a new folder; the store's files are those of the copy.

    To the store, the copy is the same clone.
    """
    from mlflow.tracking._tracking_service import utils

    shutil.copytree(source, folder)
    clone.become(folder / "runs", clone.clone_id(source / "runs"))
    store.client(f"sqlite:///{folder}/mlflow.db")
    utils._artifact_repos_cache.clear()  # MLflow's, by ids of runs and models alone: those of a copy are the same
