"""Training in one process and in several, without Ray."""

import csv
import json
import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file
from toy_data import write_tiles

from pipeline import params, train
from pipeline.files import checkpoint
from pipeline.params.training import Model, Vgg16
from pipeline.worker import Job, TrainingError, Worker

CPU = torch.device("cpu")
TINY = SimpleNamespace(name="segnet", width=1 / 16, vgg16=None)
SETTINGS = params.load(Path(__file__).with_name("scenes.yaml")).train.model_copy(
    update={"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "warmup_epochs": 0.0, "seed": 5}
)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Nine tiles a split: they divide neither by the batch of four nor by the workers."""
    return write_tiles(tmp_path_factory.mktemp("toy"))


def fit(tiles, settings, folder, *, weights=(1.0, 3.0), state=None):
    """Train in this process; return the metrics of each epoch, and keep the state of each in `folder`/<epoch>."""
    reports = []

    def report(metrics, written):
        reports.append(metrics)
        if written is not None:
            written.rename(folder / f"{metrics['epoch']:.0f}")
            written.mkdir()

    job = Job(tiles, TINY, settings, weights)
    train.fit(job, report=report, progress=lambda now: None, state=state, device=CPU)
    return reports


def fit_as_one_of(rank, world_size, address, tiles, folder, settings):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)
    try:
        metrics = fit(tiles, settings, folder)
        (folder / f"metrics{rank}.json").write_text(json.dumps(metrics))
    finally:
        dist.destroy_process_group()


def fit_with(world_size, tiles, folder, settings):
    folder.mkdir()
    mp.spawn(
        fit_as_one_of,
        (world_size, f"file://{folder}/meet", tiles, folder, settings),
        nprocs=world_size,
    )
    return [json.loads((folder / f"metrics{rank}.json").read_text()) for rank in range(world_size)]


@pytest.fixture
def in_float64():
    """Rounding errors that training blows up stay small: what differs then is a fault."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("world_size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_workers_train_the_model_that_one_would(tiles, tmp_path, world_size):
    (tmp_path / "one").mkdir()
    # Adam divides by the size of a gradient, and so blows errors up where a gradient is nought.
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "learning_rate": 0.01})
    alone = fit(tiles, settings, tmp_path / "one")
    together = fit_with(world_size, tiles, tmp_path / "many", settings)
    for theirs in together:
        for epoch, other in zip(alone, theirs, strict=True):
            other["images_per_second"] = epoch["images_per_second"]
            assert other == pytest.approx(epoch, rel=1e-9, nan_ok=True)
    mine, others = (load_file(tmp_path / name / "3" / "model.safetensors") for name in ("one", "many"))
    for name, value in mine.items():
        torch.testing.assert_close(others[name], value, rtol=1e-8, atol=1e-9, msg=lambda text, name=name: name + text)


def test_training_goes_on_from_a_state_as_if_it_had_not_stopped(tiles, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "rest").mkdir()
    whole = fit(tiles, SETTINGS, tmp_path / "whole")
    rest = fit(tiles, SETTINGS, tmp_path / "rest", state=tmp_path / "whole" / "1")
    assert [epoch["epoch"] for epoch in rest] == [2, 3]
    ends = [checkpoint.read_state(tmp_path / name / "3") for name in ("whole", "rest")]
    assert all(torch.equal(value, ends[1].model[name]) for name, value in ends[0].model.items())
    assert all(torch.equal(value, ends[1].optimizer[name]) for name, value in ends[0].optimizer.items())
    for before, after in zip(whole, ends[1].history, strict=True):
        assert {**before, "images_per_second": 0} == pytest.approx({**after, "images_per_second": 0}, nan_ok=True)


def test_a_finished_training_has_nothing_left_to_do(tiles, tmp_path):
    fit(tiles, SETTINGS, tmp_path)
    assert fit(tiles, SETTINGS, tmp_path, state=tmp_path / "3") == []


def test_the_best_epoch_is_kept(tiles, tmp_path):
    metrics = fit(tiles, SETTINGS, tmp_path)
    state = checkpoint.read_state(tmp_path / "3")
    scores = [epoch["val/miou"] for epoch in metrics]
    assert state.best_epoch == scores.index(max(scores))
    model = checkpoint.read_state(tmp_path / f"{state.best_epoch + 1}").model
    assert all(torch.equal(value, model[name]) for name, value in state.best.items())


def test_it_stops_when_no_epoch_gets_better(tiles, tmp_path):
    # A learning rate this small changes no prediction: the first epoch stays the best.
    settings = SETTINGS.model_copy(update={"epochs": 9, "patience_epochs": 2, "learning_rate": 1e-30})
    settings = settings.model_copy(update={"optimizer": "sgd"})
    worker = Worker(Job(tiles, TINY, settings, (1.0, 1.0)), CPU)
    assert worker.rank == 0
    metrics = fit(tiles, settings, tmp_path)
    best = max(range(len(metrics)), key=lambda i: metrics[i]["val/miou"])
    assert len(metrics) == best + 3


def test_a_loss_that_is_no_number_names_epoch_and_step(tiles, tmp_path):
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"expected a finite loss, got (nan|inf) at epoch 1, step [23]; lower"):
        fit(tiles, settings, tmp_path)


def test_a_batch_larger_than_the_split_is_refused(tiles, tmp_path):
    with pytest.raises(ValueError, match=r"train\.batch_size: expected at most the 9 training tiles, got 12"):
        fit(tiles, SETTINGS.model_copy(update={"batch_size": 12}), tmp_path)


def test_progress_is_told_within_an_epoch(tiles):
    told = []
    job = Job(tiles, TINY, SETTINGS.model_copy(update={"epochs": 1}), (1.0, 1.0))
    train.fit(job, report=lambda *_: None, progress=told.append, state=None, device=CPU)
    assert told[-1]["epoch"] == 1
    assert told[-1]["done"] == 1
    assert math.isfinite(told[-1]["train/loss"])


def test_class_weights_are_the_ones_asked_for(tiles):
    def weights(choice):
        job, _ = train.prepare(tiles, TINY, SETTINGS.model_copy(update={"class_weights": choice}), tiles)
        return job.class_weights

    assert weights("none") == (1, 1)
    assert weights((0.5, 7.0)) == (0.5, 7.0)
    # Two classes: the median lies between them, so that 1/w0 + 1/w1 = 2.
    first, second = weights("median_frequency")
    assert 1 / first + 1 / second == pytest.approx(2)


@pytest.mark.parametrize(("choice", "got"), [((1.0, 2.0, 3.0), 3), ("published", 0)])
def test_a_wrong_number_of_class_weights_is_refused(tiles, choice, got):
    settings = SETTINGS.model_copy(update={"class_weights": choice})
    with pytest.raises(ValueError, match=f"expected 2 weights, one for each of road, sky, got {got}"):
        train.prepare(tiles, TINY, settings, tiles)


def test_a_runs_name_changes_with_its_inputs_but_not_with_its_workers():
    model = params.load(Path(__file__).with_name("scenes.yaml")).model

    def name(data="d", code="c", **changes):
        return train.run_name(data, model, SETTINGS.model_copy(update=changes), code)

    assert name() == name(num_workers=2) == name(max_failures=9)
    assert len({name(), name(data="e"), name(code="e"), name(seed=6), name(learning_rate=2e-3)}) == 5
    assert len(name()) == 16


def test_a_file_of_vgg16_weights_is_what_the_encoder_begins_with(tiles, tmp_path, monkeypatch):
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    names = [f"conv{level}_{i}" for level, count in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, count + 1)]
    trained = {}
    for name, (a, b) in zip(names, pairwise(channels), strict=True):
        trained[f"{name}.weight"], trained[f"{name}.bias"] = torch.full((b, a, 3, 3), 0.01), torch.full((b,), 0.5)
    save_file(trained, tmp_path / "vgg16.safetensors")
    monkeypatch.chdir(tmp_path)
    model = Model(name="segnet", width=1.0, vgg16=Vgg16(path="vgg16.safetensors", sha256=None, trained_on="caffe"))
    job, _ = train.prepare(tiles, model, SETTINGS, tiles)
    name = train.run_name("d", model, SETTINGS, "c")
    monkeypatch.chdir(tmp_path.parent)  # as in a Ray worker
    worker = Worker(job, CPU)
    assert worker.weights()["encoder.4.2.0.weight"].eq(0.01).all()
    assert worker.weights()["encoder.4.2.0.bias"].eq(0.5).all()

    monkeypatch.chdir(tmp_path)
    save_file({**trained, "conv1_1.bias": torch.zeros(64)}, tmp_path / "vgg16.safetensors")
    assert train.run_name("d", model, SETTINGS, "c") != name


def test_the_outcome_is_the_best_model_with_its_history(tiles, tmp_path):
    fit(tiles, SETTINGS, tmp_path)
    state = checkpoint.read_state(tmp_path / "3")
    job, header = train.prepare(tiles, TINY, SETTINGS, tiles)
    spec = train.spec(job, header, "abc")
    for name in ("a", "b"):
        folder = tmp_path / name
        train.write_outcome(state, spec, job, data="x.dir", model=folder / "model", reports=folder / "reports")
    files = ["model/model.safetensors", "model/model.json", "reports/train.json", "reports/history.csv"]
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    tree = json.loads((tmp_path / "a" / "reports" / "train.json").read_text())
    assert (tree["run"], tree["data"], tree["epochs"], tree["best_epoch"]) == ("abc", "x.dir", 3, state.best_epoch + 1)
    assert tree["class_weights"] == dict(zip(("road", "sky"), job.class_weights, strict=True))
    with (tmp_path / "a" / "reports" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3]
    assert float(rows[2]["train/loss"]) == state.history[2]["train/loss"]
    found, model = checkpoint.read_model(tmp_path / "a" / "model")
    assert found == spec
    assert all(torch.equal(value, state.best[name]) for name, value in model.state_dict().items())
