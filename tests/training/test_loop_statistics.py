"""Batch statistics of the model that are computed anew; tests/training/test_trainer.py compares numbers of workers."""

import pytest
import torch

from pipeline.core import batch_statistics
from pipeline.training import checkpoint
from pipeline.training.errors import TrainingError
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


def published(tiles, network=TINY, **changes):
    """What a trainer publishes before its first step."""
    return Trainer(Job(tiles, network, ANEW.model_copy(update=changes), (1.0, 3.0)), CPU).published().state_dict()


@pytest.mark.parametrize("rare", [0.0, 1.0])
def test_more_tiles_than_there_are_means_all_and_each_once(tmp_path, rare):
    tiles = write_tiles(tmp_path)
    all_nine, more = (
        published(tiles, statistics_tiles=9),
        published(tiles, statistics_tiles=1000, rare_class_share=rare),
    )
    assert all(torch.equal(value, more[name]) for name, value in all_nine.items())


FCN = TINY.model_copy(update={"name": "fcn"})  # reduces 32 x 32 pixels to one


def test_no_tile_is_left_alone(tmp_path):
    state = published(write_tiles(tmp_path), FCN, statistics_tiles=9)
    assert all(value.isfinite().all() for value in state.values())


def test_too_few_tiles_for_normalisation_are_an_error_that_names_their_param(tmp_path):
    expected = (
        r"^train\.statistics_tiles: expected more than one value .* reduces 1 tile of 32 x 32 .*tile\.width, or it$"
    )
    with pytest.raises(TrainingError, match=expected):
        published(write_tiles(tmp_path), FCN, statistics_tiles=1)
