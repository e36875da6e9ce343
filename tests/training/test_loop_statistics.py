"""Batch statistics of the model that are computed anew; tests/training/test_trainer.py compares numbers of workers."""

import torch

from pipeline.core import batch_statistics
from pipeline.training import checkpoint
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, fit

ANEW = SETTINGS.model_copy(update={"statistics_tiles": 5, "ema_decay": 0.5})
OWN = ANEW.model_copy(update={"statistics_tiles": 0})


def test_the_model_has_them_and_training_goes_on_as_without(tmp_path):
    tiles = write_tiles(tmp_path)
    without, found = fit(tiles, OWN, tmp_path / "without"), fit(tiles, ANEW, tmp_path / "run")
    for kind in ("model", "average", "optimizer"):
        states = getattr(found.state, kind), getattr(without.state, kind)
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    best, average = found.state.best, checkpoint.read(tmp_path / "run", (3, 5, 7)[found.state.best_epoch]).average
    changed = {name.rpartition(".")[2] for name, value in best.items() if not torch.equal(value, average[name])}
    assert changed == {"running_mean", "running_var"}
    assert [epoch["train/loss"] for epoch in found.reports] == [epoch["train/loss"] for epoch in without.reports]
    assert [epoch["val/loss"] for epoch in found.reports] != [epoch["val/loss"] for epoch in without.reports]


def test_they_are_those_of_the_tiles_that_are_shown_first_whole_and_as_they_are(tmp_path):
    trainer = Trainer(Job(write_tiles(tmp_path), TINY, ANEW, (1.0, 3.0)), CPU)
    shown = trainer._order.tiles_at(range(5))
    images = torch.stack([torch.from_numpy(trainer.tiles["train"][i][0].copy()) for i in shown])
    expected = batch_statistics.renewed(
        trainer.learner.published(), [images.permute(0, 3, 1, 2).float()], trainer.learner.logits
    )
    found = trainer.published().state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.state_dict().items())


def test_more_tiles_than_there_are_means_all(tmp_path):
    tiles = write_tiles(tmp_path)
    all_nine, more = (
        Trainer(Job(tiles, TINY, ANEW.model_copy(update={"statistics_tiles": n}), (1.0, 3.0)), CPU).published()
        for n in (9, 1000)
    )
    assert all(torch.equal(value, more.state_dict()[name]) for name, value in all_nine.state_dict().items())
