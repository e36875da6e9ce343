import numpy as np
import pytest
import torch

from pipeline.training import predictions
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, fit


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


def test_tiles_are_spread_over_the_split():
    assert predictions.shown(48) == [6, 18, 30, 42]
    assert predictions.shown(2) == [0, 1]
    assert predictions.shown(0) == []


def test_a_mask_is_what_the_network_finds_most_probable(tiles):
    trainer = Trainer(Job(tiles, TINY, SETTINGS, (1.0, 3.0)), CPU)
    network = trainer.learner.published()
    network.train()
    masks = predictions.predicted(trainer, network)
    images = np.stack([trainer.tiles["val"][i][0] for i in (1, 3, 5, 7)])
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    assert np.array_equal(np.stack(masks), logits.argmax(1).numpy())


def test_a_large_mask_is_shrunk(tiles, monkeypatch):
    monkeypatch.setattr(predictions, "BOX", (16, 64))
    trainer = Trainer(Job(tiles, TINY, SETTINGS, (1.0, 3.0)), CPU)
    assert [mask.shape for mask in predictions.predicted(trainer, trainer.learner.published())] == [(16, 16)] * 4


def test_watching_changes_nothing_in_what_is_learnt(tiles, tmp_path, monkeypatch):
    watched = fit(tiles, SETTINGS, tmp_path / "watched").state
    monkeypatch.setattr("pipeline.training.train.predicted", lambda *_: [])
    alone = fit(tiles, SETTINGS, tmp_path / "alone").state
    assert all(torch.equal(value, alone.model[name]) for name, value in watched.model.items())


def test_a_training_that_is_over_is_shown_once_more_as_it_ended(tiles, tmp_path):
    first, again = [], []
    for seen in (first, again):
        fit(tiles, SETTINGS, tmp_path / "run", pictures=seen.append)
    assert (len(first), len(again)) == (3, 1)  # of three epochs
    assert np.array_equal(np.stack(again[0]), np.stack(first[-1]))
