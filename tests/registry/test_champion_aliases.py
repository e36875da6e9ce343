"""What an entry is in the store, who wrote it when, and how the aliases are moved to what it says."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.registry import champion as champions, versions
from pipeline.registry.decision_log import Reign
from pipeline.tracking import store
from tests.support.promoted import draft, three_versions


@pytest.fixture
def model(mlflow_store, request):
    """A registered model of its own with three versions."""
    return three_versions(mlflow_store, f"segnet-{request.node.name}")


def test_the_store_keeps_an_entry_as_its_text_and_marks_what_was_settled(mlflow_store, model):
    entry = champions.append(model, replace(draft("1", "1"), reason="y" * 1001), ())
    log, client = champions.log_of(model), store.client(mlflow_store)
    (stored,) = versions.versions(log)
    assert (stored.tags, stored.source) == ({"entry": entry.text, "settled": "true"}, "segnet:/decision-log")
    assert client.get_model_version(log.name, "1").description == "y" * 1000
    assert versions.model_tags(log) == {"newest": "1"}
    assert client.get_registered_model(log.name).description == (
        f"The decision log of {model.name}, shown by segnet history. Do not delete it."
    )


def test_only_the_aliases_that_change_are_moved(mlflow_store, model, monkeypatch):
    moved, move, remove = [], versions.set_alias, versions.remove_alias
    monkeypatch.setattr(versions, "set_alias", lambda *each: (moved.append(each[1:]), move(*each)))
    monkeypatch.setattr(versions, "remove_alias", lambda *each: (moved.append(each[1:]), remove(*each)))
    log = ()
    for champion, previous in (("1", None), ("2", "1"), ("3", "1"), ("3", None), (None, None)):
        champions.append(model, draft("1", champion, previous), log)
        log = champions.read(model)
    assert moved == [
        ("champion", "1"),
        *(("champion", "2"), ("previous_champion", "1")),
        ("champion", "3"),
        ("previous_champion",),
        ("champion",),
    ]


def test_aliases_that_are_moved_meanwhile_are_moved_back(mlflow_store, model, monkeypatch):
    move, others = versions.set_alias, ["2", "3"]

    def overtaken(model, alias, number):
        move(model, alias, number)
        if others:  # a slower process still follows an older entry
            move(model, alias, others.pop())

    monkeypatch.setattr(versions, "set_alias", overtaken)
    champions.append(model, draft("1", "1"), ())
    assert (champions.reign(model), others) == (Reign("1", None), [])


def test_an_entry_that_comes_meanwhile_is_the_newest_though_the_aliases_stay(mlflow_store, model, monkeypatch):
    move = versions.set_alias

    def overtaken(model, alias, number):
        monkeypatch.setattr(versions, "set_alias", move)
        move(model, alias, number)
        champions.append(model, draft("2", "1"), champions.read(model))

    monkeypatch.setattr(versions, "set_alias", overtaken)
    champions.append(model, draft("1", "1"), ())
    assert versions.model_tags(champions.log_of(model)) == {"newest": "2"}


@pytest.mark.parametrize("error", [KeyError("uid 7"), OSError("no such user")])
def test_a_user_without_a_name_is_unknown(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    assert champions.user() == "ann"
    monkeypatch.setattr(getpass, "getuser", fail)
    assert champions.user() == "unknown"


def test_the_time_is_in_utc_to_the_second():
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= datetime.strptime(champions.now(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) <= datetime.now(UTC)


def test_a_promoter_that_died_before_its_last_tags_is_completed(mlflow_store, model, monkeypatch):
    """Without these, a log whose newest entry is deleted later seems whole."""
    with monkeypatch.context() as patch:
        patch.setattr(versions, "describe_model", lambda model, tags: None)  # killed before the tag `newest`
        entry = champions.append(model, draft("1", "1"), ())
    with monkeypatch.context() as patch:
        patch.setattr(champions, "is_settled", lambda model, entry: False)  # and before `settled`
        patch.setattr(champions, "settle", lambda model: patch.undo() or champions.settle(model))
        assert champions.settled(model) == (entry,)
    assert versions.model_tags(champions.log_of(model))["newest"] == "1"
    store.client(mlflow_store).delete_model_version(champions.log_of(model).name, "1")
    (lost,) = champions.read(model)
    assert (lost.kind, lost.number) == ("lost", 1)
