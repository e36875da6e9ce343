"""The inputs that a training run is named after."""

import shutil
from pathlib import Path
from typing import get_args

import pytest

from pipeline import params
from pipeline.params.training import Vgg16
from pipeline.training import train
from pipeline.training.run import differences, run_name
from pipeline.training.trainer import Job
from tests.support import ROOT, SCENES
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import SETTINGS, TINY


@pytest.fixture
def tiles(tmp_path):
    return write_tiles(tmp_path / "data")


def test_a_runs_name_changes_with_its_inputs_but_not_with_its_workers(tiles, monkeypatch):
    model = params.load(SCENES).model

    def name(code="c", folder=tiles, **changes):
        monkeypatch.setattr(train, "code_sha256", lambda: code)
        return run_name(train.inputs(folder, model, SETTINGS.model_copy(update=changes)))

    same = {"num_workers": 2, "max_failures": 9, "checkpoint_minutes": 1.0, "keep_states": 1}
    assert {name(**{key: value}) for key, value in same.items()} == {name()}
    others = {name(folder=tiles.parent), name(code="e"), name(seed=6), name(learning_rate=2e-3), name(ema_decay=0.5)}
    assert len({name(), *others}) == 6


def test_workers_read_the_tiles_and_the_weights_that_the_encoder_starts_from(tiles):
    assert train.reads(Job(tiles, TINY, SETTINGS, (1.0, 1.0))) == (tiles,)
    vgg16 = Vgg16(
        path="/data/vgg16.pth", sha256=None, trained_on=get_args(Vgg16.model_fields["trained_on"].annotation)[0]
    )
    model = TINY.model_copy(update={"vgg16": vgg16})
    assert train.reads(Job(tiles, model, SETTINGS, (1.0, 1.0))) == (tiles, Path("/data/vgg16.pth"))


def test_inputs_have_the_names_by_which_differences_are_shown(tiles):
    before, after = (train.inputs(tiles, params.load(SCENES).model, SETTINGS) for _ in range(2))
    assert list(before) == ["data", "model", "vgg16", "train", "code"]
    assert differences(before, {**after, "data": "e", "code": "f"}) == ["code", "data"]


# A file of each package, and whether editing it starts a new run.
PACKAGES = {
    "artifacts/model.py": True,
    "artifacts/scores.py": False,
    "artifacts/tileset.py": True,
    "cli/predict.py": False,
    "cluster/run.py": False,
    "core/bootstrap.py": False,
    "core/class_weights.py": True,
    "core/losses.py": True,
    "core/models/unet.py": True,
    "core/sampler.py": True,
    "data/tile.py": False,
    "evaluation/evaluate.py": False,
    "files/atomic.py": False,
    "inference/predict.py": False,
    "params/training.py": False,
    "registry/gate.py": False,
    "tracking/outbox.py": False,
    "training/learner.py": True,
    "training/loop.py": True,
    "training/progress.py": False,
    "training/prune.py": False,
    "training/run.py": False,
    "training/train.py": False,
    "training/trainer.py": True,
    "validation/page.py": False,
}


def test_a_run_is_named_after_the_code_that_determines_its_weights_and_no_other(tmp_path):
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    assert {Path(name).parts[0] for name in PACKAGES} == {path.name for path in (ROOT / "pipeline").iterdir()} - {
        "__init__.py",
        "__pycache__",
    }
    before = train.code_sha256(tmp_path)
    assert before == train.code_sha256()
    changes = {}
    for name in PACKAGES:
        path = tmp_path / "pipeline" / name
        text = path.read_text()
        path.write_text(f"{text}# edited\n")
        changes[name] = train.code_sha256(tmp_path) != before
        path.write_text(text)
    assert changes == PACKAGES
