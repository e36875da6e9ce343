"""Into which parts `segnet crossvalidate` divides a machine."""

import pytest

from pipeline.cli import crossvalidate as command
from pipeline.crossvalidation.processes import Slot


def test_a_cluster_divides_itself(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert command._slots(None) == (Slot(frozenset(), None),)
    assert command._slots(3) == (Slot(frozenset(), None),) * 3
    monkeypatch.setenv("RAY_ADDRESS", "")  # which names none
    assert all(each.cores for each in command._slots(None))


def test_gpus_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.setattr(command.os, "sched_getaffinity", lambda process: {0, 1})
    assert [each.gpu for each in command._slots(None)] == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,-1,5")
    assert [each.gpu for each in command._slots(None)] == ["2"]


@pytest.mark.parametrize("hidden", ["-1", " -1", "NoDevFiles", ","])
def test_hidden_gpus_leave_the_cores_to_be_divided(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    monkeypatch.setattr(command.os, "sched_getaffinity", lambda process: {0, 1})
    assert command._slots(2) == (Slot(frozenset({0}), None), Slot(frozenset({1}), None))
