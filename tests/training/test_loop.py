"""When the training loop ends, and which epoch's model it keeps."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pipeline.training import checkpoint, loop
from tests.support.tiny_training import SETTINGS

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
    state = replace(after(*before, best_epoch=7), best={"weight": torch.zeros(1)})
    metrics = {"epoch": 9.0, "val/miou": score, "val/class_accuracy": -len(before)}
    found = loop._after_epoch(state, metrics, SETTINGS, model)
    assert (found.step, found.sums.shape, found.history) == (3, (0, 4), (*state.history, metrics))
    assert found.best_epoch == (len(before) if is_best else 7)
    assert found.best.keys() == ({"weight", "bias"} if is_best else {"weight"})
    if is_best:
        model.weight.data += 1  # training goes on
        assert not torch.equal(found.best["weight"], model.weight)


def test_the_score_is_the_one_that_the_params_name():
    settings = SETTINGS.model_copy(update={"select_by": "class_accuracy"})
    state = replace(after(0.9), history=({"val/miou": 0.9, "val/class_accuracy": 0.1},))
    metrics = {"val/miou": 0.1, "val/class_accuracy": 0.2}
    assert loop._after_epoch(state, metrics, settings, nn.Linear(1, 1)).best_epoch == 1
    assert loop._after_epoch(state, metrics, SETTINGS, nn.Linear(1, 1)).best_epoch == 0
