"""What each step of an epoch is given: its learning rate, and the draws of dropout."""

import math
from itertools import count

import numpy as np
import pytest
import torch

from pipeline.artifacts.tileset import Tileset
from pipeline.core.augment import DROPOUT_KEY, draw
from pipeline.training import checkpoint, trainer
from pipeline.training.errors import TrainingError
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY

IMAGES, MASKS = torch.zeros(4, 3, 32, 32), torch.zeros(4, 32, 32, dtype=torch.int64)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Write nine tiles per split: in batches of four, three epochs take 3, 2 and 2 steps."""
    return write_tiles(tmp_path_factory.mktemp("toy"))


def learning_rates(tiles, **changes):
    """Return the learning rates of the steps of all epochs, and the one that each epoch reports."""
    worker = Trainer(Job(tiles, TINY, SETTINGS.model_copy(update=changes), (1.0, 3.0)), CPU)
    taken = []

    def learn(images, masks, *, step, learning_rate, **_):
        assert step == len(taken)
        taken.append(learning_rate)
        return torch.ones(4, dtype=torch.float64)

    worker.learner.learn = learn
    silent = {"progress": lambda now: None, "save": lambda sums: None}
    reported = [worker.train(epoch, checkpoint.beginning().sums, **silent)["learning_rate"] for epoch in range(3)]
    return taken, reported


def test_each_step_has_its_place_on_the_curve_of_the_learning_rate(tiles):
    # 1.2 of 3 epochs are 2.8 of 7 steps: three of warm-up, and four on the cosine at 0, 1/4, 1/2 and 3/4.
    taken, reported = learning_rates(tiles, learning_rate=0.8, schedule="cosine", warmup_epochs=1.2)
    cosine = [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]
    assert taken == pytest.approx([0.8 * factor for factor in (1 / 3, 2 / 3, 1, *cosine)])
    assert reported == [taken[2], taken[4], taken[6]]  # each epoch's last


def test_without_warm_up_the_first_step_has_the_full_learning_rate(tiles):
    taken, _ = learning_rates(tiles, learning_rate=0.8, schedule="constant", warmup_epochs=0.0)
    assert taken == [0.8] * 7


def test_an_epoch_reports_the_losses_of_all_its_steps_and_the_speed_of_its_own(tiles, monkeypatch):
    worker = Trainer(Job(tiles, TINY, SETTINGS, (1.0, 3.0)), CPU)
    sums = iter([[2.0, 4.0, 1.0, 2.0], [4.0, 4.0, 3.0, 2.0]])
    worker.learner.learn = lambda *_, **__: torch.tensor(next(sums), dtype=torch.float64)
    done = torch.tensor([[6.0, 4.0, 1.0, 4.0]], dtype=torch.float64)  # the first of three steps, taken before
    clock = count(0, 0.5)  # seconds: when the epoch begins, at each step, when it ends
    monkeypatch.setattr(trainer.time, "monotonic", lambda: next(clock))
    updates = []
    epoch = worker.train(0, done, progress=updates.append, save=lambda sums: None)
    losses = {"train/loss": 12 / 12, "train/loss_unweighted": 5 / 8}
    assert epoch == {**losses, "learning_rate": epoch["learning_rate"], "images_per_second": 2 * 4 / 1.5}
    assert updates == [{"epoch": 1, "done": 1, "images_per_second": 2 * 4 / 1.0, **losses}]


@pytest.mark.parametrize(("every", "checked"), [(16, [3]), (2, [2, 3]), (1, [1, 2, 3])])
def test_losses_are_checked_now_and_then_and_at_the_end_of_an_epoch(tiles, monkeypatch, every, checked):
    worker, steps = Trainer(Job(tiles, TINY, SETTINGS, (1.0, 3.0)), CPU), []
    worker.learner.learn = lambda *_, **__: torch.ones(4, dtype=torch.float64)
    monkeypatch.setattr(trainer, "_CHECK_EVERY", every)
    monkeypatch.setattr(trainer, "_check_finite", lambda sums, epoch, first: steps.append(len(sums)))
    worker.train(0, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
    assert steps == checked


def test_the_validation_reports_both_losses_and_the_scores(tiles):
    worker = Trainer(Job(tiles, TINY, SETTINGS, (1.0, 3.0)), CPU)
    counts, sums = torch.tensor([[6, 2], [1, 1]]), torch.tensor([6.0, 4.0, 5.0, 2.0], dtype=torch.float64)
    worker._count = lambda model: (counts, sums)
    scores = worker.validate(worker.published())
    assert (scores["val/loss"], scores["val/loss_unweighted"]) == (1.5, 2.5)
    assert (scores["val/iou/road"], scores["val/iou/sky"]) == (6 / 9, 1 / 4)


def test_each_tile_of_each_step_has_a_number_for_dropout(tiles):
    def drawn(seed):
        worker = Trainer(Job(tiles, TINY, SETTINGS.model_copy(update={"seed": seed}), (1.0, 3.0)), CPU)
        numbers, added = [], torch.ones(4, dtype=torch.float64)
        worker.learner.learn = lambda *_, dropout, **__: numbers.extend(dropout.tolist()) or added
        worker.train(0, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
        return numbers

    assert drawn(5) == [draw(5, [position])[0, DROPOUT_KEY].item() for position in range(12)]
    assert len({*drawn(5), *drawn(6)}) == 24


@pytest.mark.parametrize("order", ["table", "keyed"])
def test_tiles_with_rare_classes_are_seen_more_often(tiles, monkeypatch, order):
    pixels = np.zeros((9, 3), np.int64)
    pixels[:, 0], pixels[4, 1] = 1, 1  # the sky is in the fifth tile alone, which has 10/18 of each pass of nine: five
    monkeypatch.setattr(Tileset, "pixels", lambda self: pixels)
    settings = SETTINGS.model_copy(update={"rare_class_share": 1.0, "order": order})
    worker = Trainer(Job(tiles, TINY, settings, (1.0, 3.0)), CPU)
    worker.learner.learn, seen = lambda *_, **__: torch.ones(4, dtype=torch.float64), []
    batches = worker._feeds["train"].batches
    worker._feeds["train"].batches = lambda parts, draws: seen.extend(parts) or batches(parts, draws)
    for epoch in range(3):
        worker.train(epoch, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
    numbers = [number for part in seen for number in part]
    assert [numbers[start : start + 9].count(4) for start in (0, 9, 18)] == [5, 5, 5]


@pytest.mark.parametrize("batch_size", [1, 4, 9])
def test_every_validation_tile_is_scored_once(tiles, batch_size):
    worker = Trainer(Job(tiles, TINY, SETTINGS.model_copy(update={"batch_size": batch_size}), (1.0, 3.0)), CPU)
    ((_, masks),) = worker.tiles["val"].batches([range(9)])
    pixels = [(masks == c).sum() for c in range(2)]  # 2 is void
    counts, sums = worker._count(worker.published().eval())
    assert counts.sum(dim=1).tolist() == pixels
    assert sums[1::2].tolist() == [pixels[0] + 3 * pixels[1], sum(pixels)]


def test_of_a_steps_losses_the_one_that_is_not_finite_is_named():
    rows = torch.tensor([[2.0, 1.0, 3.0, 1.0], [5.0, 1.0, math.inf, 1.0]], dtype=torch.float64)
    with pytest.raises(TrainingError, match=r"^expected a finite loss, got inf at epoch 3, step 12; lower"):
        trainer._check_finite(rows, 2, 10)
    trainer._check_finite(rows[:1], 2, 10)
