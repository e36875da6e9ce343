"""When the training loop ends, and which epoch's model it keeps."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import nn

from pipeline.tracking import registered
from pipeline.training import checkpoint, loop, train
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import SETTINGS, TINY, fit

NAN = float("nan")


def after(*scores, best_epoch=0):
    """The checkpoint after epochs with these scores."""
    history = tuple({"epoch": epoch, "val/miou": score} for epoch, score in enumerate(scores, 1))
    return replace(checkpoint.beginning(), step=3, history=history, best_epoch=best_epoch, sums=torch.ones(2, 4))


@pytest.mark.parametrize(
    ("epochs", "patience", "best_epoch", "is_over"),
    [
        (3, 0, 0, True),
        (4, 0, 0, False),  # without patience, nothing ends early
        (9, 2, 0, True),  # epochs 2 and 3 (1 and 2, 0-based) were no better
        (9, 3, 0, False),
        (9, 2, 1, False),
        (9, 1, 1, True),
        (9, 1, 2, False),
    ],
)
def test_it_is_over_after_the_last_epoch_or_too_many_that_were_no_better(epochs, patience, best_epoch, is_over):
    settings = SETTINGS.model_copy(update={"epochs": epochs, "patience_epochs": patience})
    assert loop._is_over(after(0.5, 0.4, 0.3, best_epoch=best_epoch), settings) is is_over


# The last phase begins with the fourth epoch; the best was the second (1, 0-based).
@pytest.mark.parametrize(("epoch", "is_over"), [(3, False), (4, False), (5, True), (6, True)])
def test_patience_counts_epochs_of_the_last_phase(epoch, is_over):
    phase = SimpleNamespace(share=0.3)
    settings = SETTINGS.model_copy(update={"epochs": 10, "patience_epochs": 2, "early_phases": (phase,)})
    assert loop._is_over(after(*[0.1] * epoch, best_epoch=1), settings) is is_over


@pytest.mark.parametrize(
    ("before", "score", "is_best"),
    [
        ((), 0.0, True),
        ((), NAN, True),
        ((0.5,), 0.5, False),  # of equal scores, the first stays
        ((0.5, 0.2), 0.4, False),
        ((0.2, 0.5), 0.51, True),
        ((NAN,), 0.0, True),
        ((0.0,), NAN, False),
        ((NAN,), NAN, False),
    ],
)
def test_the_best_epoch_is_the_first_with_the_highest_score(before, score, is_best):
    model = nn.Linear(2, 1)
    state = replace(after(*before, score, best_epoch=7), best={"weight": torch.zeros(1)})
    found = loop._with_best(state, SETTINGS, model)
    assert (found.step, found.history) == (3, state.history)
    assert found.best_epoch == (len(before) if is_best else 7)
    assert found.best.keys() == ({"weight", "bias"} if is_best else {"weight"})
    if is_best:
        model.weight.data += 1  # training goes on
        assert not torch.equal(found.best["weight"], model.weight)


def test_the_score_is_the_one_that_the_params_name():
    settings = SETTINGS.model_copy(update={"select_by": "class_accuracy"})
    history = {"val/miou": 0.9, "val/class_accuracy": 0.1}, {"val/miou": 0.1, "val/class_accuracy": 0.2}
    state = replace(after(), history=history)
    assert loop._with_best(state, settings, nn.Linear(1, 1)).best_epoch == 1
    assert loop._with_best(state, SETTINGS, nn.Linear(1, 1)).best_epoch == 0


def test_only_epochs_that_were_validated_count():
    settings = SETTINGS.model_copy(update={"epochs": 5, "epochs_per_validation": 2, "patience_epochs": 1})
    assert [loop._is_candidate(epoch, settings) for epoch in range(5)] == [False, True, False, True, True]
    history = {"epoch": 1.0}, {"epoch": 2.0, "val/miou": 0.5}, {"epoch": 3.0}, {"epoch": 4.0, "val/miou": 0.4}
    assert loop._with_best(replace(after(), history=history[:2]), settings, nn.Linear(1, 1)).best_epoch == 1
    state = replace(after(), history=history, best_epoch=1)
    assert loop._with_best(state, settings, nn.Linear(1, 1)).best_epoch == 1
    # Epoch 3 is one without a better score, but nobody has looked at it.
    assert [loop._is_over(replace(state, history=history[:n]), settings) for n in (0, 2, 3, 4)] == [0, 0, 0, 1]


def test_epochs_that_are_not_validated_have_no_scores_and_cannot_become_the_model(tmp_path):
    tiles = write_tiles(tmp_path / "data")
    result = fit(tiles, SETTINGS.model_copy(update={"epochs_per_validation": 2}), tmp_path / "run")
    assert ["val/miou" in epoch for epoch in result.reports] == [False, True, True]
    assert result.state.best_epoch in {1, 2}
    published = checkpoint.read(tmp_path / "run", (5, 7)[result.state.best_epoch - 1]).model
    assert all(torch.equal(value, published[name]) for name, value in result.state.best.items())
    every = fit(tiles, SETTINGS, tmp_path / "every").state.model  # training itself is the same
    assert all(torch.equal(value, every[name]) for name, value in result.state.model.items())
    job, header, _ = train.prepare(tiles, TINY, SETTINGS, tiles, registered.fetch)
    train.write_outcome(result.state, train.spec(job, header, "a"), job, {}, model=tmp_path / "model", reports=tmp_path)
    columns = pd.read_csv(tmp_path / "history.csv")[["train/loss", "val/miou"]]
    assert columns.isna().to_numpy().tolist() == [[False, True], [False, False], [False, False]]
