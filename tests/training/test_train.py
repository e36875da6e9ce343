"""The train step in one process, without Ray; test_trainer.py tests several."""

import csv
import json
import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from pipeline.artifacts.model import read_model
from pipeline.params.model import Model, Vgg16
from pipeline.tracking import registered
from pipeline.training import checkpoint, train, trainer
from pipeline.training.train import TrainingError
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, fit, ignore


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Write nine tiles per split, a multiple of neither the batch size of four nor the number of workers."""
    return write_tiles(tmp_path_factory.mktemp("toy"))


def of_the_model(history):
    return [{key: value for key, value in epoch.items() if key != "images_per_second"} for epoch in history]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


# Dropout, a moving average and accumulated gradients: whatever a checkpoint could miss.
FORGETFUL = SETTINGS.model_copy(update={"ema_decay": 0.9, "accumulation": 2, "checkpoint_minutes": 1e-9})
DROPOUT = SimpleNamespace(name="bayesian_segnet_basic", width=1 / 16, dropout=0.0, vgg16=None, start_from=None)


@pytest.fixture(scope="module")
def uninterrupted(tiles, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_CHECK_EVERY", 1)
        return fit(tiles, FORGETFUL, tmp_path_factory.mktemp("uninterrupted") / "run", network=DROPOUT).state


@pytest.mark.parametrize("killed_at", [1, 3, 4, pytest.param(6, marks=pytest.mark.slow)])  # 3: after an epoch
def test_training_resumes_from_any_checkpoint_as_if_uninterrupted(
    tiles, uninterrupted, tmp_path, monkeypatch, killed_at
):
    monkeypatch.setattr(trainer, "_CHECK_EVERY", 1)
    write = checkpoint.write

    def kill(folder, state, *, keep):
        write(folder, state, keep=keep)
        if state.step == killed_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write", kill)
    with pytest.raises(KeyboardInterrupt):
        fit(tiles, FORGETFUL, tmp_path / "run", network=DROPOUT)
    monkeypatch.setattr(checkpoint, "write", write)
    rest = fit(tiles, FORGETFUL, tmp_path / "run", network=DROPOUT)
    epoch = {1: 1, 3: 2, 4: 2, 6: 3}[killed_at]
    assert rest.messages == [f"resuming run run at epoch {epoch} of 3, step {killed_at + 1}"]
    assert [report["epoch"] for report in rest.reports] == [1, 2, 3][epoch - 1 :]
    for part in ("model", "optimizer", "average", "best"):
        assert equal(getattr(rest.state, part), getattr(uninterrupted, part)), part
    assert repr(of_the_model(rest.state.history)) == repr(of_the_model(uninterrupted.history))


def test_recomputing_in_the_backward_pass_trains_the_same_weights(tiles, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 2, "accumulation": 2})
    states = [
        fit(tiles, settings.model_copy(update={"recompute": recompute}), tmp_path / str(recompute)).state
        for recompute in (False, True)
    ]
    assert [name for name, value in states[0].model.items() if not torch.equal(value, states[1].model[name])] == []


def test_a_checkpoint_is_due_by_the_clock(tiles, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_CHECK_EVERY", 1)
    now = iter(range(0, 10**6, 20))  # a third of a minute passes between calls
    monkeypatch.setattr(trainer.time, "monotonic", lambda: float(next(now)))
    settings = SETTINGS.model_copy(update={"epochs": 1, "checkpoint_minutes": 0.5})
    fit(tiles, settings, tmp_path / "often")
    fit(tiles, settings.model_copy(update={"checkpoint_minutes": 60.0, "epochs": 3}), tmp_path / "seldom")
    fit(tiles, settings.model_copy(update={"checkpoint_minutes": 60.0, "epochs": 3}), tmp_path / "seldom")
    fit(tiles, settings.model_copy(update={"checkpoint_minutes": None, "epochs": 3}), tmp_path / "epochs")
    names = {run: sorted(path.name[-1] for path in (tmp_path / run).iterdir()) for run in ("often", "seldom", "epochs")}
    assert names == {"often": ["1", "2", "3"], "seldom": ["7"], "epochs": ["3", "5", "7"]}


def test_a_broken_checkpoint_is_reported_and_training_resumes_from_the_previous_one(tiles, tmp_path):
    state = fit(tiles, SETTINGS, tmp_path / "run").state
    broken = tmp_path / "run" / "step-000000007" / "model.safetensors"
    data = bytearray(broken.read_bytes())
    data[-1] ^= 1
    broken.write_bytes(data)
    again = fit(tiles, SETTINGS, tmp_path / "run")
    assert f"checkpoint {broken.parent} is broken: expected model.safetensors to have SHA-256" in again.messages[0]
    assert again.messages[0].endswith("; resuming from step 5")
    assert again.messages[1] == "resuming run run at epoch 3 of 3, step 6"
    assert equal(again.state.model, state.model)


def test_if_every_checkpoint_is_broken_training_starts_from_scratch(tiles, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 1})
    first = fit(tiles, settings, tmp_path / "run")
    (tmp_path / "run" / "step-000000003" / "state.json").write_text("{")
    again = fit(tiles, settings, tmp_path / "run")
    assert again.messages[0].endswith("; resuming from the beginning")
    assert len(again.messages) == 1
    assert equal(again.state.model, first.state.model)


def test_a_finished_training_has_nothing_left_to_do(tiles, tmp_path):
    assert fit(tiles, SETTINGS, tmp_path / "run").messages == []
    again = fit(tiles, SETTINGS, tmp_path / "run")
    assert again.reports == []
    assert again.messages == ["run run is finished (to retrain it: python -m stages.train --fresh)"]


def test_the_best_epoch_is_kept(tiles, tmp_path):
    result = fit(tiles, SETTINGS, tmp_path / "run")
    scores = [epoch["val/miou"] for epoch in result.reports]
    best_epoch = scores.index(max(scores))
    assert result.state.best_epoch == best_epoch
    assert equal(result.state.best, checkpoint.read(tmp_path / "run", (3, 5, 7)[best_epoch]).model)


def test_it_stops_when_the_score_no_longer_improves(tiles, tmp_path):
    # A learning rate this small changes no prediction: the first epoch stays the best.
    changes = {"epochs": 9, "patience_epochs": 2, "learning_rate": 1e-30, "optimizer": "sgd"}
    metrics = fit(tiles, SETTINGS.model_copy(update=changes), tmp_path / "run").reports
    best = max(range(len(metrics)), key=lambda i: metrics[i]["val/miou"])
    assert len(metrics) == best + 3


def test_a_loss_that_is_not_finite_names_epoch_and_step(tiles, tmp_path):
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"expected a finite loss, got (nan|inf) at epoch 1, step [23]; lower"):
        fit(tiles, settings, tmp_path / "run")


def test_a_batch_larger_than_the_split_is_refused(tiles, tmp_path):
    with pytest.raises(TrainingError, match="expected at most the 9 training tiles, got 12; lower it to a multiple of"):
        fit(tiles, SETTINGS.model_copy(update={"batch_size": 12}), tmp_path / "run")


def test_a_batch_that_does_not_divide_is_refused(tiles, tmp_path):
    message = (
        r"train\.batch_size: expected a multiple of 3, the 1 workers times train\.accumulation 3, got 4; use 3, for"
    )
    with pytest.raises(TrainingError, match=message):
        fit(tiles, SETTINGS.model_copy(update={"accumulation": 3}), tmp_path / "run")


def test_progress_is_reported_within_an_epoch(tiles, tmp_path):
    updates = []
    job = Job(tiles, TINY, SETTINGS.model_copy(update={"epochs": 1}), (1.0, 1.0))
    silent = dict.fromkeys(("report", "say", "pictures"), ignore)
    train.fit(job, folder=tmp_path, device=CPU, progress=updates.append, **silent)
    assert updates[-1]["epoch"] == 1
    assert updates[-1]["done"] == 1
    assert math.isfinite(updates[-1]["train/loss"])


def test_class_weights_are_the_ones_asked_for(tiles):
    def weights(choice):
        job, _, _ = train.prepare(
            tiles, TINY, SETTINGS.model_copy(update={"class_weights": choice}), tiles, registered.fetch
        )
        return job.class_weights

    assert weights("none") == (1, 1)
    assert weights((0.5, 7.0)) == (0.5, 7.0)
    # With two classes the median is their mean, so 1/w0 + 1/w1 = 2.
    first, second = weights("median_frequency")
    assert 1 / first + 1 / second == pytest.approx(2)


@pytest.mark.parametrize(("choice", "got"), [((1.0, 2.0, 3.0), 3), ("published", 0)])
def test_a_wrong_number_of_class_weights_is_refused(tiles, choice, got):
    settings = SETTINGS.model_copy(update={"class_weights": choice})
    with pytest.raises(ValueError, match=f"expected 2 weights, one for each of road, sky, got {got}"):
        train.prepare(tiles, TINY, settings, tiles, registered.fetch)


def test_the_encoder_is_initialised_from_a_file_of_vgg16_weights(tiles, tmp_path, monkeypatch):
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    names = [f"conv{level}_{i}" for level, count in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, count + 1)]
    trained = {}
    for name, (a, b) in zip(names, pairwise(channels), strict=True):
        trained[f"{name}.weight"], trained[f"{name}.bias"] = torch.full((b, a, 3, 3), 0.01), torch.full((b,), 0.5)
    save_file(trained, tmp_path / "vgg16.safetensors")
    monkeypatch.chdir(tmp_path)
    vgg16 = Vgg16(path="vgg16.safetensors", sha256=None, trained_on="caffe")
    model = Model(name="segnet", width=1.0, dropout=0.0, vgg16=vgg16, start_from=None)
    job, _, before = train.prepare(tiles, model, SETTINGS, tiles, registered.fetch)
    monkeypatch.chdir(tmp_path.parent)  # as in a Ray worker
    weights = Trainer(job, CPU).learner.published().state_dict()
    assert weights["encoder.4.2.0.weight"].eq(0.01).all()
    assert weights["encoder.4.2.1.running_mean"].eq(-0.5).all()

    monkeypatch.chdir(tmp_path)
    save_file({**trained, "conv1_1.bias": torch.zeros(64)}, tmp_path / "vgg16.safetensors")
    assert train.inputs(job)["vgg16"] != before["vgg16"]


def test_the_outcome_is_the_best_model_with_its_history(tiles, tmp_path):
    state = fit(tiles, SETTINGS, tmp_path / "run").state
    job, header, _ = train.prepare(tiles, TINY, SETTINGS, tiles, registered.fetch)
    spec = train.spec(job, header, "abc")
    for name in ("a", "b"):
        folder = tmp_path / name
        made_of = {"data": "x.dir"}
        reports = folder / "reports"
        written = train.write_outcome(state, spec, job, made_of, model=folder / "model", reports=reports)
        assert written == (reports / "history.csv", reports / "train.json")
    files = ["model/model.safetensors", "model/model.json", "reports/train.json", "reports/history.csv"]
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    tree = json.loads((tmp_path / "a" / "reports" / "train.json").read_text())
    assert (tree["run"], tree["inputs"]) == ("abc", {"data": "x.dir"})
    assert (tree["epochs"], tree["best_epoch"]) == (3, state.best_epoch + 1)
    assert tree["class_weights"] == dict(zip(("road", "sky"), job.class_weights, strict=True))
    with (tmp_path / "a" / "reports" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3]
    assert state.history[0]["workers"] == 1
    assert not {"workers", "images_per_second"} & rows[0].keys()
    assert float(rows[2]["train/loss"]) == state.history[2]["train/loss"]
    stored_spec, model = read_model(tmp_path / "a" / "model")
    assert stored_spec == spec
    assert all(torch.equal(value, state.best[name]) for name, value in model.state_dict().items())


def test_the_history_has_a_curve_for_a_class_of_any_name(tiles, tmp_path):
    state, names = fit(tiles, SETTINGS, tmp_path / "run").state, ["val/iou/=a, b", 'val/iou/the "old"\r\nroad']
    history = tuple({**epoch, names[0]: 0.25, names[1]: 0.5} for epoch in state.history)
    job, header, _ = train.prepare(tiles, TINY, SETTINGS, tiles, registered.fetch)
    renamed = replace(state, history=history)
    train.write_outcome(renamed, train.spec(job, header, "a"), job, {}, model=tmp_path / "model", reports=tmp_path)
    assert pd.read_csv(tmp_path / "history.csv")[names].to_numpy().tolist() == [[0.25, 0.5]] * 3
    with (tmp_path / "history.csv").open(newline="") as file:
        assert list(csv.DictReader(file).fieldnames)[-2:] == names
