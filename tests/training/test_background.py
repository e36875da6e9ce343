"""Checkpoints that are written while training continues."""

import threading
from dataclasses import replace

import pytest
import torch

from pipeline.training import checkpoint
from pipeline.training.background import Writer


def state(step, value=0.0):
    weights = {"weight": torch.full((2,), value)}
    sums = torch.full((1, 4), value, dtype=torch.float64)
    return replace(checkpoint.beginning(), step=step, model=weights, optimizer=weights, average=weights, sums=sums)


def test_training_continues_while_a_checkpoint_is_written_from_a_copy():
    may_end, written = threading.Event(), []

    def write(each):
        assert may_end.wait(60)
        written.append(each)

    with Writer(write) as writer:
        begun = state(3, 1.0)
        writer.submit(begun)
        for part in (begun.model, begun.optimizer, begun.average):
            part["weight"] += 1  # training's next step
        begun.sums.zero_()
        writer.check()
        assert written == []
        may_end.set()
        writer.finish()
        writer.finish()  # nothing is left to wait for
    (each,) = written
    assert each.step == 3
    assert [part["weight"].tolist() for part in (each.model, each.optimizer, each.average)] == [[1, 1]] * 3
    assert each.sums.tolist() == [[1, 1, 1, 1]]


def test_checkpoints_are_written_one_after_the_other_and_the_last_before_it_ends():
    under_way, most, steps = [], [], []

    def write(each):
        under_way.append(each)
        most.append(len(under_way))
        threading.Event().wait(0.02)
        under_way.remove(each)
        steps.append(each.step)

    with Writer(write) as writer:
        for step in range(4):
            writer.submit(state(step))
    assert (steps, max(most)) == ([0, 1, 2, 3], 1)


def failing(each):
    raise ValueError(f"step {each.step} does not fit")


def test_a_checkpoint_that_cannot_be_written_ends_the_training():
    with Writer(failing) as writer:
        writer.submit(state(1))
        with pytest.raises(ValueError, match="step 1 does not fit"):
            writer.submit(state(2))
        writer.submit(state(3))
        with pytest.raises(ValueError, match="step 3 does not fit"):
            writer.finish()
        writer.submit(state(4))
        writer._writing.exception()  # it has failed
        with pytest.raises(ValueError, match="step 4 does not fit"):
            writer.check()


def test_what_ends_a_training_is_told_rather_than_a_checkpoint_that_failed_meanwhile():
    def train():
        with Writer(failing) as writer:
            writer.submit(state(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
