"""The weights that a training starts from, from the param to the first step, with a real registry."""

import hashlib
import json
import logging
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.artifacts.model import read_model
from pipeline.core.classes import ClassTable
from pipeline.params.model import Vgg16
from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import registered
from pipeline.training import initial, run, train
from pipeline.training.errors import TrainingError
from pipeline.training.initial import Source
from pipeline.training.trainer import Trainer
from tests.support import tiny_version
from tests.support.tiny_data import write_tiles
from tests.support.tiny_model import SPEC, write_model
from tests.support.tiny_training import CPU, SETTINGS, TINY, fit, ignore

NAME = "segnet-started"
# The tiles' classes are road and sky.
CLASSES = ClassTable(("sky", "tree", "road"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)), (0, 0, 0), None)
TRAINED = replace(SPEC, classes=CLASSES, run="0123456789abcdef")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def store(mlflow_file, tmp_path_factory):
    """The store with two versions of NAME, of which the first is champion; returns the folders of their models."""
    roots = [tmp_path_factory.mktemp("version") for _ in range(2)]
    folders = [write_model(root / "artifacts" / "segnet", TRAINED, seed) for seed, root in enumerate(roots)]
    tiny_version.laid_out(mlflow_file, NAME, *roots)
    return folders


def from_model(address, **changes):
    return TINY.model_copy(update={"start_from": str(address), **changes})


def prepare(tiles, model, downloads, settings=SETTINGS):
    return train.prepare(tiles, model, settings, downloads, registered.fetch)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_champion_is_what_training_starts_from(tiles, store, mlflow_store, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    job, header, made_of = prepare(tiles, from_model(f"models:/{NAME}@champion"), tmp_path / "runs")
    weights = Trainer(job, CPU).learner.published().state_dict()
    _, source = read_model(store[0])
    expected = source.state_dict()
    assert torch.equal(weights["classifier.weight"], expected["classifier.weight"][[2, 0]])  # road, sky
    others = [key for key in weights if not key.startswith("classifier")]
    assert all(torch.equal(weights[key], expected[key]) for key in others)
    told = f"starting from models:/{NAME}/1 (training 0123456789abcdef), a segnet: 2 of 2 classes have its weights"
    assert told in caplog.messages
    recorded = {
        "version": f"models:/{NAME}/1",
        "run": "0123456789abcdef",
        "network": "segnet",
        "sha256": sha256(store[0] / "model.safetensors"),
        "classes": ["sky", "tree", "road"],
    }
    assert made_of["start_from"] == train.mlflow_params(job, header, made_of)["start_from"] == recorded
    assert train.reads(job) == (tiles.resolve(), tmp_path / "runs" / f"{recorded['sha256'][:16]}-model.safetensors")


def test_a_moved_alias_makes_a_new_training_and_the_same_version_does_not(tiles, store, mlflow_store, tmp_path):
    def name(address):
        return run.run_name(prepare(tiles, from_model(address), tmp_path)[2])

    model = RegisteredModel(mlflow_store, NAME)
    first = name(f"models:/{NAME}@champion")
    assert name(f"models:/{NAME}@champion") == name(f"models:/{NAME}/1") == first
    versions.set_alias(model, "champion", "2")
    assert name(f"models:/{NAME}@champion") != first
    versions.set_alias(model, "champion", "1")
    assert name(f"models:/{NAME}@champion") == first


def test_a_copy_that_was_damaged_is_made_again(tiles, store, mlflow_store, tmp_path):
    for content in (b"", b"x" * 9):
        job, _, _ = prepare(tiles, from_model(f"models:/{NAME}/2"), tmp_path)
        assert sha256(job.initial.file) == sha256(store[1] / "model.safetensors")
        job.initial.file.write_bytes(content)


def test_a_folder_is_what_training_starts_from_wherever_a_worker_runs(tiles, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "kept" / "first", TRAINED)
    job, _, made_of = prepare(tiles, from_model("kept/first"), tmp_path / "runs")
    monkeypatch.chdir(tmp_path.parent)
    weights = Trainer(job, CPU).learner.published().state_dict()
    expected = read_model(tmp_path / "kept" / "first")[1].state_dict()
    assert torch.equal(weights["classifier.bias"], expected["classifier.bias"][[2, 0]])
    assert made_of["start_from"]["version"] is None
    assert not (tmp_path / "runs").exists()


def test_a_model_that_was_moved_is_the_same_start(tiles, tmp_path):
    made_of = [prepare(tiles, from_model(write_model(tmp_path / each, TRAINED)), tmp_path)[2] for each in ("a", "b")]
    assert made_of[0] == made_of[1]
    assert str(tmp_path) not in json.dumps(made_of)


def test_other_weights_or_classes_in_a_folder_make_a_new_training(tiles, tmp_path):
    def name(spec, seed):
        return run.run_name(prepare(tiles, from_model(write_model(tmp_path / "a", spec, seed)), tmp_path)[2])

    swapped = replace(TRAINED, classes=replace(CLASSES, names=("road", "tree", "sky")))
    assert len({name(TRAINED, 1), name(TRAINED, 2), name(swapped, 1)}) == 3


def test_a_training_that_was_killed_resumes_to_the_same_weights(tiles, tmp_path):
    model = from_model(write_model(tmp_path / "first", TRAINED))
    job = replace(prepare(tiles, model, tmp_path)[0], class_weights=(1.0, 3.0))
    undisturbed = fit(tiles, SETTINGS, tmp_path / "a", network=model, initial=job.initial).state

    def lose(epoch):
        raise KeyboardInterrupt

    (tmp_path / "b").mkdir()
    with pytest.raises(KeyboardInterrupt):
        train.fit(job, folder=tmp_path / "b", device=CPU, report=lose, progress=ignore, pictures=ignore, say=ignore)
    resumed = fit(tiles, SETTINGS, tmp_path / "b", network=model, initial=job.initial)
    assert resumed.messages == ["resuming run b at epoch 2 of 3, step 4"]
    assert all(torch.equal(value, undisturbed.model[name]) for name, value in resumed.state.model.items())
    random = fit(tiles, SETTINGS, tmp_path / "c", network=TINY).state
    assert not torch.equal(random.model["classifier.bias"], undisturbed.model["classifier.bias"])


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    [
        (
            replace(TRAINED, width=0.125),
            {},
            r"model\.start_from: expected a model with the layers of segnet at width 0\.0625, got one of segnet at "
            r"width 0\.125: .*shape \(4, 3, 3, 3\), got \(8, 3, 3, 3\); choose its network and width, or another model",
        ),
        (TRAINED, {"name": "unet"}, r"the layers of unet at width 0\.0625, got one of segnet at width 0\.0625"),
    ],
)
def test_a_model_of_another_network_or_width_is_refused_before_training(tiles, tmp_path, spec, changes, message):
    with pytest.raises(ValueError, match=message):
        prepare(tiles, from_model(write_model(tmp_path / "first", spec), **changes), tmp_path)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
def test_a_folder_without_a_model_is_refused(tiles, tmp_path, file):
    folder = write_model(tmp_path / "first", TRAINED)
    (folder / file).unlink()
    message = rf"model\.start_from: expected a model that this pipeline trained: .*{file}.*; correct it"
    with pytest.raises(ValueError, match=message):
        prepare(tiles, from_model(folder), tmp_path)


def test_a_network_that_this_program_does_not_have_is_refused(tiles, tmp_path):
    folder = write_model(tmp_path / "first", TRAINED)
    (folder / "model.json").write_text((folder / "model.json").read_text().replace('"segnet"', '"resnet"'))
    with pytest.raises(
        ValueError, match=r"model\.start_from: .*: expected a network of segnet, .*, got resnet; correct"
    ):
        prepare(tiles, from_model(folder), tmp_path)


@pytest.mark.parametrize(
    ("tensor", "value", "message"),
    [
        ("classifier.weight", torch.tensor(float("nan")), "finite numbers, got NaN or infinity"),
        ("classifier.weight", torch.tensor(float("-inf")), "finite numbers, got NaN or infinity"),
        ("encoder.0.0.1.running_var", torch.tensor(-1.0), "variances, got numbers below 0"),
        ("classifier.bias", torch.tensor(1), "floating point numbers, got torch.int64"),
    ],
)
def test_weights_that_no_training_leaves_are_refused(tiles, tmp_path, tensor, value, message):
    folder = write_model(tmp_path / "first", TRAINED)
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, tensor: value.expand(tensors[tensor].shape).clone()}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=rf"^model\.start_from: .*: {tensor}: expected {message}"):
        prepare(tiles, from_model(folder), tmp_path)


@pytest.mark.parametrize("content", [b"", b"half of it"])
def test_a_damaged_file_of_weights_is_named_with_its_param(tiles, tmp_path, content):
    folder = write_model(tmp_path / "first", TRAINED)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"^model\.start_from: {folder}/model.safetensors: .*; it is damaged or of an"
    ):
        prepare(tiles, from_model(folder), tmp_path)
    (tmp_path / "vgg.pth").write_bytes(content)
    vgg16 = Vgg16(path=str(tmp_path / "vgg.pth"), sha256=None, trained_on="caffe")
    with pytest.raises(
        ValueError, match=rf"^model\.vgg16: {tmp_path}/vgg.pth: expected a file of tensors .*; it is dam"
    ):
        prepare(tiles, TINY.model_copy(update={"vgg16": vgg16}), tmp_path)


def test_weights_of_another_network_name_model_vgg16_and_the_file(tiles, tmp_path):
    torch.save({"fc.weight": torch.ones(1)}, tmp_path / "resnet.pth")
    vgg16 = Vgg16(path=str(tmp_path / "resnet.pth"), sha256=None, trained_on="caffe")
    model = TINY.model_copy(update={"vgg16": vgg16, "width": 1.0})
    with pytest.raises(
        ValueError, match=rf"^model\.vgg16: {tmp_path}/resnet.pth: features.0.weight: expected a tensor"
    ):
        prepare(tiles, model, tmp_path)


def test_weights_that_change_while_workers_start_are_noticed(tiles, tmp_path):
    job, _, _ = prepare(tiles, from_model(write_model(tmp_path / "first", TRAINED)), tmp_path)
    write_model(tmp_path / "first", TRAINED, seed=9)
    with pytest.raises(TrainingError, match=r"the SHA-256 .*: it was changed since the training began; run dvc repro"):
        Trainer(job, CPU)


def test_a_file_of_pickled_tensors_in_place_of_weights_is_refused_and_not_run(tiles, tmp_path):
    folder = write_model(tmp_path / "first", TRAINED)
    torch.save({"a": torch.ones(1)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match="expected a file of tensors"):
        prepare(tiles, from_model(folder), tmp_path)


def test_a_version_that_is_missing_is_an_error(tiles, store, mlflow_store, tmp_path):
    for address in (f"models:/{NAME}/9", f"models:/{NAME}@nobody", "models:/segnet-nothing@champion"):
        with pytest.raises(ValueError, match=f"expected a version {address} made by the register stage in sqlite"):
            prepare(tiles, from_model(address), tmp_path)


def test_classes_that_are_new_are_named():
    source = Source("segnet", 1.0, ("sky",), None, "0123", "ab")
    told = "starting from the model of training 0123, a segnet: 1 of 3 classes have its weights; new: car, tree"
    assert initial.matched(source, ("car", "sky", "tree")) == told
