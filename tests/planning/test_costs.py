"""What segnet plan estimates."""

import json
from collections import Counter

import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline import params
from pipeline.artifacts.manifest import Manifest
from pipeline.cli import app
from pipeline.params.recipe import Phase
from pipeline.planning import costs, params_file, proposal, sample, steps
from pipeline.planning.sample import Sample
from pipeline.planning.sizes import Machine
from pipeline.planning.steps import Timing
from tests.support import SCENES, layouts
from tests.support.tiny_dataset import CLASSES, sized

TIMING = Timing(2.0, forward_seconds=0.5, peak_bytes=3 * 10**9, checkpoint_bytes=8 * 10**6, device="the CPU")
SECONDS = {"download": 0.5, "validate": 12.0, "tile": 0.25, "evaluate": 3.0}


def settings(**train):
    loaded = params.load(SCENES)
    values = {"batch_size": 4, "epochs": 10, "epochs_per_validation": 1, "keep_states": 2, "ema_decay": 0.0}
    return loaded.model_copy(update={"train": loaded.train.model_copy(update=values | {"optimizer": "adamw"} | train)})


def total(splits=("train", "val", "test"), **train):
    images = sized(["train", "val", "test"] * 2, 96, 128)
    drawn = Sample(Manifest("toy", CLASSES, "", images, splits=splits), Counter(train=40, val=10, test=10), 0.5, "")
    sizes = {"train": 80, "val": 16}, {"data/raw": 600, "data/tiles": 60}, 1
    return costs._total(settings(**train), drawn, TIMING, SECONDS, sizes)


def test_the_costs_of_a_few_images_are_multiplied():
    found = total()
    # 80 tiles in batches of 4 are 20 steps of 2 s; 16 validation tiles are 4 batches of 0.5 s.
    assert (found.steps_per_epoch, found.epoch_seconds) == (20, 42.0)
    assert found.minutes == {"download": 0.5, "validate": 0.2, "tile": 0.25, "train": 7.0, "evaluate": 0.5}
    # 60 images where 6 were taken
    assert found.disk_bytes == {"data/raw": 6000, "data/tiles": 600, "runs": 8 * 10**6}
    assert found.free_bytes > 0
    assert found.available_bytes > 0


def test_images_count_by_their_pixels_and_splits_by_their_images():
    images = sized([*["train", "val", "test"] * 2, "train"], 96, 128)
    images.loc[6, ["height", "width", "problem"]] = [0, 0, "image: broken"]
    sizes = ["height", "mask_height", "width", "mask_width"]
    images.loc[[0, 3], sizes] = [[192, 192, 128, 128], [288, 288, 256, 256]]  # 2 and 6 times the pixels of the others
    drawn = Sample(Manifest("toy", CLASSES, "", images), Counter(train=40, val=10, test=10), 0.5, "")
    # 40 images of 4 units and 20 of 1 have 180; the usable six have 12, so 180 / (12 / 6) images of their mean size.
    assert drawn.images_in_all() == 90


def test_what_params_save_or_cost_is_counted():
    assert total(epochs_per_validation=4).epoch_seconds == 40.5
    assert total(splits=("train", "val")).minutes["evaluate"] == 0.5


def test_epochs_of_small_tiles_take_a_part_of_the_time():
    half = Phase(share=0.8, scale=0.5, learning_rate=0.1, final_rate=0.0, zoom=(1.0, 1.0))
    found = total(early_phases=(half,))
    assert found.minutes["train"] == (8 * 40 / 4 + 2 * 40 + 10 * 2) / 60
    assert costs.in_words(found)[0] == (
        "train: 42 s per epoch at full size, 3 min for 10 epochs, of which some are smaller"
    )


@pytest.mark.parametrize(
    ("num_workers", "accumulation", "gpus", "workers"),
    [("auto", 2, 8, 4), ("auto", 1, 3, 2), ("auto", 1, 0, 1), (4, 1, 0, 4), ((1, 2), 1, 0, 2)],
)
def test_as_many_workers_are_timed_as_would_train_here(monkeypatch, num_workers, accumulation, gpus, workers):
    monkeypatch.setattr(costs.torch.cuda, "device_count", lambda: gpus)
    assert costs._workers(settings(batch_size=8, num_workers=num_workers, accumulation=accumulation)) == workers


def test_what_comes_from_the_network_is_not_timed(monkeypatch):
    monkeypatch.delitem(SECONDS, "download")
    assert costs.in_words(total())[2].startswith("stages: validate 12 s, tile 15 s, train 7 min, evaluate 30 s; 8 min")


def test_the_estimates_are_said_in_words():
    lines = costs.in_words(total())
    assert lines[:3] == [
        "train: 42 s per epoch, 7 min for 10 epochs",
        "  20 steps of 2.0 s per epoch, 80 tiles, on the CPU",
        "stages: download 30 s, validate 12 s, tile 15 s, train 7 min, evaluate 30 s; 8 min in all, without register "
        "and the start of Ray",
    ]
    assert lines[3].startswith("memory: training takes 3.0 GB of ")
    assert lines[4].startswith(
        "disk: data/raw 0.1 MB, data/tiles 0.1 MB, runs 8.0 MB, and data and model again in DVC's"
    )


def test_what_would_be_faster_is_said_where_it_takes_more_than_ten_minutes():
    assert total(epochs=10).savings == ()  # 8 minutes
    lines = costs.in_words(total(epochs=36))
    # 36 epochs of 42 s are 1512 s, 18 are 756; with validation in every fifth, 36 of 40.4 s are 1454.
    assert lines[-2:] == [
        "faster, by estimate (a step takes as long as its pixels, epochs are alike), each change by itself:",
        "  train.epochs 36 -> 18: train 25 min -> 13 min; the built-in scenes have mIoU 0.475 after 20 epochs, 0.532 "
        "after 36 (docs/results.md)",
    ]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of eight images in the current folder, with params that `segnet init` proposes."""
    monkeypatch.chdir(tmp_path)
    layouts.one_folder(tmp_path / "own")
    text = proposal.propose(tmp_path / "own", "own", Machine(2, 0, 0)).text
    (tmp_path / "params.yaml").write_text(text.replace("width: 0.25", "width: 0.0625"))
    monkeypatch.setattr(steps, "measure", steps._measure)
    monkeypatch.setattr(steps, "_SECONDS", 0.01)
    return tmp_path


def test_a_folder_is_estimated_from_a_few_of_its_images_and_nothing_stays(own):
    before = sorted(own.rglob("*"))
    done = CliRunner().invoke(app, ["plan", "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert (found["training_tiles"], found["steps_per_epoch"], found["epochs"], found["workers"]) == (6, 2, 100, 1)
    assert found["minutes"].keys() == {"download", "validate", "tile", "train", "evaluate"}
    assert min(found["minutes"].values()) > 0
    assert found["step_seconds"] > 0
    assert 10**8 < found["memory_bytes"] < found["available_bytes"]
    assert found["disk_bytes"]["data/tiles"] > 8 * layouts.HEIGHT * layouts.WIDTH * 4
    assert found["savings"] == []
    assert sorted(own.rglob("*")) == before
    said = CliRunner().invoke(app, ["plan"], catch_exceptions=False)
    assert said.stdout.startswith("train: ")


@pytest.mark.parametrize(("size", "note"), [(None, ""), ((8, 8), "estimated from 6 images, up to 4 of each split, wh")])
def test_that_sizes_differ_is_said_and_a_broken_image_has_none(own, size, note):
    image, mask = sorted((own / "own").iterdir())[:2]  # they are among those looked at
    for path in (image, mask):
        path.write_bytes(b"broken") if size is None else Image.open(path).crop((0, 0, *size)).save(path)
    (own / "raw").mkdir()
    said = sample.take(params.load().dataset, own / "raw").note
    assert said.startswith(note)
    assert bool(said) == bool(note)


def test_of_scenes_four_of_each_split_stand_for_all(tmp_path):
    (tmp_path / "raw").mkdir()
    dataset = params.load(SCENES).dataset
    taken = sample.take(dataset.model_copy(update={"height": 32, "width": 40}), tmp_path / "raw")
    assert taken.counts == Counter(train=240, val=48, test=64)
    assert Counter(taken.manifest.images["split"]) == Counter(train=4, val=4, test=4)
    assert (taken.note, [path.name for path in tmp_path.iterdir()]) == ("", ["raw"])
    assert taken.seconds > 0


@pytest.mark.slow
def test_camvid_is_not_downloaded_for_an_estimate(tmp_path, monkeypatch):
    drawn = sample._drawn(params.load(params_file.PRESETS / "camvid.yaml").dataset, 1)
    assert drawn[1] == Counter(train=367, val=101, test=233)
    assert (drawn[0].dataset, len(drawn[0].jobs)) == ("camvid", 3)
    (tmp_path / "raw").mkdir()
    taken = sample.take(params.load(params_file.PRESETS / "camvid.yaml").dataset, tmp_path / "raw")
    assert set(zip(taken.manifest.images["height"], taken.manifest.images["width"], strict=True)) == {(360, 480)}
    assert taken.seconds is None
    assert taken.note.startswith("CamVid is not downloaded for this, nor is that timed")


def test_a_folder_that_is_not_there_is_an_error(own):
    (own / "own").rename(own / "other")
    with pytest.raises(ValueError, match=r"expected a folder as dataset.path, got own; correct the path"):
        CliRunner().invoke(app, ["plan"], catch_exceptions=False)


def test_images_of_which_none_can_be_used_are_an_error_that_says_why(own):
    for path in (own / "own").glob("*_mask.png"):
        Image.new("L", (5, 7)).save(path)
    expected = r"expected images in split train that can be used, got none of the \d+ looked at: .*5 x 7.*; correct the"
    with pytest.raises(ValueError, match=expected):
        CliRunner().invoke(app, ["plan"], catch_exceptions=False)


@pytest.mark.slow
def test_the_steps_are_timed_in_a_process_of_their_own(own, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(own)
    done = CliRunner().invoke(app, ["plan"], catch_exceptions=False)
    assert "6 tiles, on " in done.stdout
