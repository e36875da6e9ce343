"""Timing steps, and those for which there is too little memory."""

import os
import signal
from pathlib import Path

import pytest
import torch

from pipeline import params
from pipeline.planning import steps
from tests.support import SCENES

# They replace steps._measure, and are run in its process.


def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def without_room(*_):
    torch.empty(2**60)


def broken(*_):
    raise RuntimeError("no such device")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "got"), [(killed, "a process that was killed"), (without_room, "RuntimeError: .*can't allocate memory.*")]
)
def test_too_little_memory_is_an_error_that_says_what_reduces_it(monkeypatch, work, got):
    monkeypatch.setattr(steps, "_measure", work)
    loaded = params.load(SCENES)
    expected = (
        f"expected memory for training steps of 64 tiles at a time on a worker, got {got}; lower train.batch_size"
    )
    with pytest.raises(ValueError, match=f"^{expected}, tile.height or tile.width, raise train.accumulation, or set t"):
        steps.measure(Path("tiles"), loaded.model, loaded.train, 64)


@pytest.mark.slow
def test_another_error_stays_what_it_is(monkeypatch):
    monkeypatch.setattr(steps, "_measure", broken)
    loaded = params.load(SCENES)
    with pytest.raises(RuntimeError, match="no such device"):
        steps.measure(Path("tiles"), loaded.model, loaded.train, 64)


@pytest.mark.parametrize(("seconds", "mean", "calls"), [((90, 1, 3, 5), 3.0, 4), ((90, 7, 1), 7.0, 2)])
def test_the_time_of_the_first_step_which_compiles_is_neither_counted_nor_waited_for(monkeypatch, seconds, mean, calls):
    clock, taken = [0.0], list(seconds)

    def work(_):
        clock[0] += taken.pop(0)

    monkeypatch.setattr(steps.time, "monotonic", lambda: clock[0])
    assert steps._mean_seconds(work, torch.device("cpu")) == mean  # until six seconds have passed
    assert len(seconds) - len(taken) == calls
