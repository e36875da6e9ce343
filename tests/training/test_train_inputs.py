"""The inputs that a training run is named after."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import params
from pipeline.artifacts.spec import Spec
from pipeline.artifacts.tileset import Tileset
from pipeline.core.models import MODELS
from pipeline.data import tile
from pipeline.files import images
from pipeline.params.model import Vgg16
from pipeline.params.steps import Tile
from pipeline.tracking import registered
from pipeline.training import checkpoint, train
from pipeline.training.initial import Initial
from pipeline.training.run import differences, run_name
from pipeline.training.trainer import Job
from tests.support import ROOT, SCENES
from tests.support.tiny_data import write_raw, write_tiles
from tests.support.tiny_training import SETTINGS, TINY


@pytest.fixture
def tiles(tmp_path):
    return write_tiles(tmp_path / "data")


def test_a_runs_name_changes_with_its_inputs_but_not_with_its_workers(tiles, monkeypatch):
    model = params.load(SCENES).model

    def name(code="c", folder=tiles, **changes):
        monkeypatch.setattr(train, "code_sha256", lambda: code)
        return run_name(train.inputs(Job(folder, model, SETTINGS.model_copy(update=changes), (1.0, 3.0))))

    same = {"num_workers": 2, "max_failures": 9, "checkpoint_minutes": 1.0, "keep_states": 1}
    assert {name(**{key: value}) for key, value in same.items()} == {name()}
    others = {name(folder=tiles.parent), name(code="e"), name(seed=6), name(learning_rate=2e-3), name(ema_decay=0.5)}
    assert len({name(), *others}) == 6


def test_workers_read_the_tiles_and_the_file_of_initial_weights(tiles):
    assert train.reads(Job(tiles, TINY, SETTINGS, (1.0, 1.0))) == (tiles,)
    start = Initial(Path("/data/vgg16.pth"))
    assert train.reads(Job(tiles, TINY, SETTINGS, (1.0, 1.0), start)) == (tiles, Path("/data/vgg16.pth"))


def test_inputs_have_the_names_by_which_differences_are_shown(tiles):
    before, after = (train.inputs(Job(tiles, params.load(SCENES).model, SETTINGS, (1.0,))) for _ in range(2))
    assert list(before) == ["data", "model", "vgg16", "start_from", "train", "code"]
    assert differences(before, {**after, "data": "e", "code": "f"}) == ["code", "data"]


def test_weights_that_the_encoder_starts_from_are_an_input_by_their_digest(tiles, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc": FIPS 180-2, B.1
    made_of = []
    for path, sha256 in (("vgg16.pth", None), ("vgg16.pth", digest.upper()), ("moved.pth", None)):
        Path(path).write_bytes(b"abc")
        model = TINY.model_copy(update={"vgg16": Vgg16(path=path, sha256=sha256, trained_on="caffe")})
        made_of.append(train.inputs(Job(tiles, model, SETTINGS, (1.0, 3.0), Initial(Path(path).resolve()))))
    assert made_of[0] == made_of[1] == made_of[2]
    header = Tileset(tiles, "train").header
    recorded = train.mlflow_params(Job(tiles, model, SETTINGS, (1.0, 3.0)), header, made_of[0])
    assert (recorded["vgg16"], recorded["model"]["vgg16"]) == (digest, {"trained_on": "caffe"})
    assert (made_of[0]["vgg16"], made_of[0]["model"]["vgg16"]) == (digest, {"trained_on": "caffe"})
    assert train.inputs(Job(tiles, TINY, SETTINGS, (1.0, 3.0)))["vgg16"] is None


def test_a_run_is_recorded_with_what_determines_it(tiles):
    settings = SETTINGS.model_copy(update={"class_weights": (1.0, 3.0)})
    job, header, made_of = train.prepare(tiles, TINY, settings, tiles, registered.fetch)
    recorded = train.mlflow_params(job, header, made_of)
    assert list(recorded) == ["model", "train", "class_weight", "tile", "dataset"]
    of_the_model = {"name": "segnet", "width": 1 / 16, "dropout": 0.0, "vgg16": None}
    assert recorded["model"] == made_of["model"] == of_the_model
    assert recorded["train"] == made_of["train"]
    apart = {"num_workers", "max_failures", "checkpoint_minutes", "keep_states"}
    assert recorded["train"].keys() == type(SETTINGS).model_fields.keys() - apart
    assert (recorded["train"]["zoom"], recorded["train"]["class_weights"]) == ([0.75, 1.5], [1.0, 3.0])
    assert recorded["class_weight"] == {"road": 1.0, "sky": 3.0}
    assert recorded["tile"] == {"height": header.height, "width": header.width, "scale": header.scale}
    assert recorded["dataset"] == header.dataset
    assert (job.tiles, job.model, job.settings, job.class_weights) == (tiles.resolve(), TINY, settings, (1.0, 3.0))


def test_the_spec_of_a_model_is_that_of_its_job_and_tiles(tiles):
    header = replace(Tileset(tiles, "train").header, height=32, width=64, scale=0.5)
    job = Job(tiles, TINY.model_copy(update={"name": "fcn", "width": 0.5}), SETTINGS, (1.0, 1.0))
    assert train.spec(job, header, "abc") == Spec("fcn", 0.5, header.classes, header.dataset, 32, 64, 0.5, "abc")


def test_the_outcome_leaves_out_what_is_undefined_and_what_the_machines_decide(tiles, tmp_path):
    job, header, _ = train.prepare(tiles, TINY, SETTINGS, tiles, registered.fetch)
    nan, weights = float("nan"), MODELS["segnet"](2, 1 / 16).state_dict()
    history = tuple(
        {"epoch": epoch, "val/miou": miou, "val/loss": nan, "workers": 2.0, "images_per_second": 9.0}
        for epoch, miou in ((1.0, 0.5), (2.0, 0.75), (3.0, 0.25))
    )
    state = replace(checkpoint.beginning(), history=history, best=weights, best_epoch=1)
    spec = train.spec(job, header, "abc")
    train.write_outcome(state, spec, job, {"data": "d"}, model=tmp_path / "model", reports=tmp_path)
    assert json.loads((tmp_path / "train.json").read_text()) == {
        "run": "abc",
        "inputs": {"data": "d"},
        "epochs": 3,
        "best_epoch": 2,
        "best": {"epoch": 2.0, "val/miou": 0.75},
        "class_weights": dict(zip(("road", "sky"), job.class_weights, strict=True)),
    }
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,val/miou,val/loss"
    assert [line.split(",")[:2] for line in lines[1:]] == [["1.0", "0.5"], ["2.0", "0.75"], ["3.0", "0.25"]]


# A file of each package, and whether editing it starts a new run.
PACKAGES = {
    "artifacts/model.py": True,
    "artifacts/scores.py": False,
    "artifacts/spec.py": True,
    "artifacts/tileset.py": True,
    "cli/predict.py": False,
    "cluster/run.py": False,
    "core/bootstrap.py": False,
    "core/class_weights.py": True,
    "core/losses.py": True,
    "core/models/unet.py": True,
    "core/sampler.py": True,
    "crossvalidation/folds.py": False,
    "data/tile.py": False,
    "evaluation/evaluate.py": False,
    "files/atomic.py": False,
    "inference/predict.py": False,
    "notebook/__init__.py": False,
    "params/training.py": False,
    "planning/proposal.py": False,
    "registry/gate.py": False,
    "tracking/outbox.py": False,
    "training/initial.py": True,
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


def labelled(folder, values):
    """Return the folder of tiles of one image in each split, all of whose pixels have the value that is given."""
    manifest = write_raw(folder, [(32, 32)])
    for split, value in values.items():
        (folder / f"masks/{split}/0.png").write_bytes(images.encode_png(np.full((32, 32), value, np.uint8)))
    sides = {"height": 32, "width": 32, "stride_y": 32, "stride_x": 32}
    tile.run(manifest, folder, folder / "tiles", Tile(scale=1.0, **sides, drop_unlabelled=False, tiles_per_shard=4))
    return folder / "tiles"


def test_weights_of_which_no_class_that_is_shown_has_one_are_refused(tmp_path):
    tiles = labelled(tmp_path, {"train": 0, "val": 1})
    settings = SETTINGS.model_copy(update={"class_weights": (0.0, 1.0)})
    expected = r"expected a weight above 0 for a class that a training tile shows, got \(0\.0, 1\.0\) for road, sky: no"
    with pytest.raises(ValueError, match=expected):
        train.prepare(tiles, TINY, settings, tiles, registered.fetch)


def test_a_validation_split_without_labels_is_refused_unless_it_is_learnt_from(tmp_path):
    tiles = labelled(tmp_path, {"train": 0, "val": 2, "test": 0})
    with pytest.raises(
        ValueError, match="expected labelled pixels in the split val, by which the best epoch is chosen"
    ):
        train.prepare(tiles, TINY, SETTINGS, tiles, registered.fetch)
    train.prepare(tiles, TINY, SETTINGS.model_copy(update={"with_val": True}), tiles, registered.fetch)
