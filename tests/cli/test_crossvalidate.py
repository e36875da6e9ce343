"""`segnet crossvalidate` without trainings; with them: tests/test_crossvalidation.py."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from math import nan
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from pipeline import params
from pipeline.artifacts import manifest, validation
from pipeline.artifacts.validation import Finding, Validation
from pipeline.cli import app, crossvalidate as command
from pipeline.crossvalidation import crossvalidate as step
from pipeline.crossvalidation.crossvalidate import Outcome, Scored
from pipeline.crossvalidation.spread import spreads
from pipeline.files import dvc
from pipeline.tracking import store, trainings
from tests.support import SCENES, tiny_dataset
from tests.support.tiny_model import SPEC, write_model

SCORES = {"miou": 0.25, "class_accuracy": 0.5, "global_accuracy": 0.75, "boundary_f1": 0.125}
FOLDS = (
    Scored("s1", "run-1", (4, 2, 2, 0), {**SCORES, "iou/sky": 0.5, "iou/car": None, "iou/lamp": None}),
    Scored("s2", "run-2", (3, 2, 2, 1), {**SCORES, "miou": 0.75, "iou/sky": 1.0, "iou/car": 0.5, "iou/lamp": None}),
)
KNOWN = [{key: nan if value is None else value for key, value in fold.metrics.items()} for fold in FOLDS]
OUTCOME = Outcome("folds-a", FOLDS, spreads(KNOWN))


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What the step was called with, in a folder with validated data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(SCENES.read_text())
    validation.write(Validation("toy", (), ()), tmp_path / "reports" / "validation.json")
    manifest.write(tiny_dataset.make(tmp_path / "data/raw"), tmp_path / "data/raw")
    monkeypatch.setattr(store, "address", lambda: "sqlite:///here")
    monkeypatch.setattr(trainings, "params", lambda uri, run: {"dataset": "scenes"} if run == SPEC.run else None)
    status = SimpleNamespace(returncode=0)
    monkeypatch.setattr(dvc, "run", lambda *_: status)
    calls = SimpleNamespace(status=status, made=[])
    monkeypatch.setattr(step, "run", lambda *arguments: calls.made.append(arguments) or OUTCOME)
    return calls


def segnet(*arguments, code=0):
    done = CliRunner().invoke(app, ["crossvalidate", *arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done


def error(*arguments):
    return str(segnet(*arguments, code=1).exception)


def test_mean_and_deviation_are_shown_with_what_was_held_out(asked):
    assert segnet("--jobs", "1").stdout.splitlines() == [
        "fold 1, s1: mIoU 0.2500 on 2 images held out; 4 learnt from, 2 to choose the epoch",
        "fold 2, s2: mIoU 0.7500 on 2 images held out; 3 learnt from, 2 to choose the epoch, 1 within 5 steps of them "
        "left out",
        "folds-a: mean and standard deviation over 2 folds",
        "miou             0.5000 ± 0.3536",
        "class_accuracy   0.5000 ± 0.0000",
        "global_accuracy  0.7500 ± 0.0000",
        "boundary_f1      0.1250 ± 0.0000",
        "iou/sky          0.7500 ± 0.3536",
        "iou/car          0.5000  in 1 of 2 folds",
        "iou/lamp         in none of the folds",
    ]


def test_no_image_is_said_to_choose_an_epoch_where_the_last_is_taken(asked, monkeypatch):
    folds = tuple(replace(each, images=(6, 0, 2, 0)) for each in OUTCOME.folds)
    monkeypatch.setattr(step, "run", lambda *_: replace(OUTCOME, folds=folds))
    first, *_ = segnet("--jobs", "1").stdout.splitlines()
    assert first == "fold 1, s1: mIoU 0.2500 on 2 images held out; 6 learnt from, the last epoch taken"


def test_json_has_each_fold_and_each_score(asked):
    tree = json.loads(segnet("--json", "--jobs", "1").stdout)
    assert tree == json.loads(json.dumps(step.as_json(OUTCOME)))
    assert tree["scores"]["iou/lamp"] == {"mean": None, "deviation": None, "folds": 0}
    assert tree["folds"][0]["metrics"]["iou/car"] is None


def test_values_for_this_recipe_are_part_of_it_and_what_changes_no_score_is_not(asked):
    segnet("--folds", "4", "--jobs", "1", "-S", "train.learning_rate=0.05", "-S", "train.num_workers=1")
    segnet("--jobs", "1")
    (recipe, raw, count, slots), (plain, _, five, _) = asked.made
    assert (str(raw), count, five, len(slots)) == ("data/raw", 4, 5, 1)
    assert recipe.decides["train"]["learning_rate"] == recipe.recorded["train"]["learning_rate"] == 0.05
    assert b"learning_rate: 0.05" in recipe.params
    changed = {**recipe.decides, "train": {**recipe.decides["train"], "learning_rate": 0.003}}
    assert changed == plain.decides
    assert recipe.experiment == params.load(SCENES).tracking.experiment


def test_the_experiment_is_that_of_the_environment(asked, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    segnet("--jobs", "1")
    assert asked.made[0][0].experiment == "mine"


def test_the_model_that_training_starts_from_is_part_of_the_recipe_and_its_place_is_not(asked, tmp_path):
    for folder, seed in (("kept", 1), ("kept", 2), ("moved", 1)):
        write_model(tmp_path / folder, SPEC, seed)
        segnet("--jobs", "1", "-S", f"model.start_from={folder}")
    first, second, moved = (arguments[0].decides for arguments in asked.made)
    assert first["weights"] != second["weights"]
    assert first["start_from"]["run"] == SPEC.run
    assert moved == first


@pytest.mark.parametrize("start_from", ["kept", "models:/segnet-a@champion"])
def test_a_model_of_the_same_data_set_is_refused(asked, tmp_path, monkeypatch, start_from):
    folder = write_model(tmp_path / "kept", replace(SPEC, dataset="tiny"))  # the name of data/raw's
    monkeypatch.setattr(command.registered, "fetch", lambda address, into: (folder, "models:/segnet-a/3"))
    message = error("--jobs", "1", "-S", f"model.start_from={start_from}")
    assert message.startswith("model.start_from: expected a model that has not learnt from the data set tiny, of which")
    assert asked.made == []


def test_a_model_of_another_data_set_is_taken_and_what_is_not_known_of_it_is_shown(asked, tmp_path, monkeypatch):
    write_model(tmp_path / "known", SPEC)
    write_model(tmp_path / "unknown", replace(SPEC, run="run-b"))
    segnet("--jobs", "1", "-S", "model.start_from=known")
    segnet("--jobs", "1", "-S", "model.start_from=unknown")

    def silent(uri, run):
        raise store.UnreachableError("no answer")

    monkeypatch.setattr(trainings, "params", silent)
    segnet("--jobs", "1", "-S", "model.start_from=known")
    known, unknown, unanswered = (arguments[0].notes for arguments in asked.made)
    assert known == ()
    (note,) = unknown
    assert note.startswith("model.start_from: training run-b is not in the MLflow store: whether a model")
    assert unanswered[0].startswith("model.start_from: training run-a is not in the MLflow store: ")
    monkeypatch.setattr(step, "run", lambda *_: replace(OUTCOME, notes=unknown))
    assert segnet("--jobs", "1").stdout.splitlines()[-1] == f"note: {note}"


def test_an_alias_is_fixed_to_its_version_while_folds_are_trained(asked, tmp_path, monkeypatch):
    folder = write_model(tmp_path / "kept", SPEC)
    monkeypatch.setattr(command.registered, "fetch", lambda address, into: (folder, "models:/segnet-a/3"))
    segnet("--jobs", "1", "-S", "model.start_from=models:/segnet-a@champion")
    recipe = asked.made[0][0]
    assert b"start_from: models:/segnet-a/3\n" in recipe.params
    assert recipe.decides["start_from"]["version"] == recipe.recorded["model"]["start_from"] == "models:/segnet-a/3"


@pytest.mark.parametrize("override", ["dataset.seed=1", "register.min_miou=0.5", "validate.max_void_share=1.0", "no"])
def test_a_value_that_the_folds_cannot_obey_is_refused(asked, override):
    message = error("-S", override)
    assert message.startswith(
        "-S: expected a value of tile, model, train, evaluate, placement, storage, tracking, got "
    )
    assert message.endswith(": edit params.yaml and run dvc repro validate")


def test_params_are_checked_before_anything_is_done(asked):
    assert "train.flip: expected" in "".join(segnet("-S", "train.flip=2", code=1).exception.args)
    assert "-S: expected section.key=value" in error("-S", "train.flop=2")
    assert asked.made == []


def test_data_that_is_not_what_params_describe_is_refused(asked, tmp_path):
    message = (
        "expected data/raw as params.yaml describes it, validated, got another or none (dvc status --with-deps "
        "validate tells what changed); run dvc repro validate"
    )
    asked.status.returncode = 1
    assert error() == message
    asked.status.returncode = 0
    failed = Validation("toy", (), (Finding("empty_split", "error", False, "an image", "none", ()),))
    validation.write(failed, tmp_path / "reports" / "validation.json")
    assert error() == message
    (tmp_path / "reports" / "validation.json").unlink()
    assert error() == message


STAGES = """
stages:
  download: {cmd: mkdir -p data/raw && cp params.yaml data/raw/, params: [dataset], outs: [data/raw]}
  validate: {cmd: "mkdir -p reports && cp kept.json reports/validation.json", deps: [data/raw], params: [validate],
             outs: [reports/validation.json]}
"""


@pytest.mark.slow
def test_dvc_is_asked_about_the_params_of_data_raw_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "params.yaml").write_text("dataset: {seed: 1}\nvalidate: {a: 1}\n")
    validation.write(Validation("toy", (), ()), tmp_path / "kept.json")
    for arguments in (("init", "-q", "--no-scm"), ("repro", "-q", "validate")):
        subprocess.run(("dvc", *arguments), check=True)
    command._check_data()
    (tmp_path / "params.yaml").write_text("dataset: {seed: 2}\nvalidate: {a: 1}\n")
    with pytest.raises(ValueError, match=r"^expected data/raw as params.yaml describes it"):
        command._check_data()


def test_without_dvc_the_command_says_so(asked, monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("dvc")

    monkeypatch.setattr(dvc, "run", missing)
    assert error() == "expected the command dvc on PATH: dvc; source .venv/bin/activate"


@pytest.mark.parametrize(
    ("arguments", "again"),
    [
        ((), "--folds 5"),
        (
            ("--folds", "3", "-S", "train.zoom=[0.5, 2.0]", "-S", "train.epochs=3"),
            "--folds 3 -S 'train.zoom=[0.5, 2.0]' -S train.epochs=3",
        ),
    ],
)
def test_an_interrupt_names_the_command_that_resumes(asked, monkeypatch, arguments, again):
    monkeypatch.setattr(step, "run", lambda *_: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(signal, "alarm", lambda _: 0)  # it would end the tests after this one
    said = segnet("--jobs", "1", *arguments, code=130).stderr
    assert said == f"ended by SIGINT; the next segnet crossvalidate {again} continues from what is complete\n"
