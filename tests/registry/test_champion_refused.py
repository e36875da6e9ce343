"""Decisions that were refused because another came first, whatever becomes of that one later."""

import pytest

from pipeline.registry import champion, decision_log
from pipeline.registry.champion import OutrunError
from pipeline.registry.decision_log import Reign
from pipeline.tracking import store
from tests.support.promoted import draft, three_versions


@pytest.fixture
def model(mlflow_store, request):
    return three_versions(mlflow_store, f"segnet-{request.node.name}")


@pytest.fixture
def log(model):
    """Version 1 is champion by entry 1, version 2 by entry 2, and entry 3, of version 3, came too late."""
    first = champion.append(model, draft("1", "1"), ())
    second = champion.append(model, draft("2", "2", "1"), (first,))
    with pytest.raises(OutrunError, match=r"got entry 2 by ann .*, after which version 2 is champion; nothing was"):
        champion.append(model, draft("3", "3", "1"), (first,))
    return first, second


def delete(model, number):
    store.client(model.uri).delete_model_version(champion.log_of(model).name, number)


def test_what_was_refused_stays_so_though_the_entry_that_beat_it_is_deleted(model, log):
    delete(model, "2")
    assert decision_log.broken(champion.read(model)).number == 2
    found = champion.settled(model)
    assert [(entry.number, entry.kind) for entry in found] == [(1, "forced"), (2, "lost"), (4, "found")]
    assert found[-1].reign == champion.reign(model) == Reign("2", "1")
    assert champion.append(model, draft("3", "3", "2"), found).number == 5
    assert [entry.number for entry in champion.settled(model)] == [1, 2, 4, 5]


def test_what_follows_a_deleted_entry_counts_and_not_what_that_had_beaten(model, log):
    fourth = champion.append(model, draft("1", "1", "2"), log)
    delete(model, "2")
    assert [(entry.number, entry.kind) for entry in champion.settled(model)] == [
        (1, "forced"),
        (2, "lost"),
        (4, "forced"),
    ]
    assert champion.settled(model)[-1] == fourth
    assert champion.reign(model) == Reign("1", "2")


def test_what_comes_after_a_version_that_is_no_entry_is_refused_and_told_so(model, log):
    store.client(model.uri).create_model_version(champion.log_of(model).name, "elsewhere")
    with pytest.raises(OutrunError, match="got entry 4 that is lost, entry 4: expected a decision logged by this pro"):
        champion.append(model, draft("3", "3", "2"), log)
    assert champion.reign(model) == Reign("2", "1")
    assert champion.append(model, draft("3", "3", "2"), champion.settled(model)).reign.champion == "3"
