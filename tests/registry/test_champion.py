from dataclasses import replace

import pytest

from pipeline.registry import champion as champions, versions
from pipeline.registry.champion import OutrunError
from pipeline.registry.decision_log import Entry, Reign
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store


@pytest.fixture
def model(mlflow_store, request):
    """A registered model of its own with three versions."""
    name = f"segnet-{request.node.name}"
    client = store.client(mlflow_store)
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, "https://models.invalid/a")
    return RegisteredModel(mlflow_store, name)


def draft(version, champion, previous=None):
    reign = Reign(champion, previous)
    return Entry("forced", version, reign, "2026-11-23T10:00:00Z", "ann", f"version {version} it is", None, {})


def shown(log):
    return [(entry.kind, entry.version, entry.reign.champion, entry.reign.previous_champion) for entry in log]


def test_an_entry_moves_the_aliases_and_is_read_again(mlflow_store, model):
    assert champions.settled(model) == ()
    first = champions.append(model, draft("1", "1"), ())
    second = champions.append(model, draft("2", "2", "1"), (first,))
    assert champions.reign(model) == Reign("2", "1")
    assert champions.settled(model) == champions.read(model) == (first, second)
    assert (second.number, second.after, second.chain) == (2, 1, first.sha256)


def test_of_two_decisions_on_the_same_log_the_first_counts_and_the_other_learns_it(mlflow_store, model):
    won = champions.append(model, draft("1", "1"), ())
    message = (
        r"expected entry 0 to be the newest in .* got entry 1 by ann .*, after which version 1 is champion; nothing"
    )
    with pytest.raises(OutrunError, match=message):
        champions.append(model, draft("2", "2"), ())
    assert champions.read(model) == (won,)
    assert champions.reign(model) == Reign("1", None)
    third = champions.append(model, draft("3", "3", "1"), (won,))  # after the one that does not count
    assert (third.number, third.after) == (3, 1)
    assert champions.read(model) == (won, third)


def test_an_entry_that_arrives_twice_is_its_authors_own(mlflow_store, model, monkeypatch):
    from mlflow import MlflowClient

    write = MlflowClient.create_model_version

    def twice(self, *arguments, **options):  # the answer is lost, and the request is sent again
        write(self, *arguments, **options)
        return write(self, *arguments, **options)

    monkeypatch.setattr(MlflowClient, "create_model_version", twice)
    assert champions.append(model, draft("1", "1"), ()).number == 1
    assert shown(champions.read(model)) == [("forced", "1", "1", None)]


def test_what_a_dead_promoter_did_not_do_the_next_one_does(mlflow_store, model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(champions, "settle", lambda model: None)  # killed before moving the aliases
        champions.append(model, draft("1", "1"), ())
    assert champions.reign(model) == Reign(None, None)
    assert shown(champions.settled(model)) == [("forced", "1", "1", None)]
    assert champions.reign(model) == Reign("1", None)


def test_a_slow_promoter_does_not_undo_a_later_decision(mlflow_store, model, monkeypatch):
    first = champions.append(model, draft("1", "1"), ())
    move = versions.set_alias

    def slow(model, alias, number):  # somebody decides while this one is about to move the alias
        monkeypatch.setattr(versions, "set_alias", move)
        champions.append(model, draft("3", "3", "2"), champions.read(model))
        move(model, alias, number)

    monkeypatch.setattr(versions, "set_alias", slow)
    champions.append(model, draft("2", "2", "1"), (first,))
    assert champions.reign(model) == Reign("3", "2")
    assert shown(champions.settled(model))[-1] == ("forced", "3", "3", "2")


@pytest.mark.parametrize("before", [True, False])
def test_an_alias_that_was_moved_outside_segnet_is_logged(mlflow_store, model, before):
    if before:
        champions.append(model, draft("1", "1"), ())
    versions.set_alias(model, "champion", "2")
    log = champions.settled(model)
    assert shown(log)[-1] == ("found", "2", "2", None)
    logged = "version 1" if before else "no version"
    assert log[-1].reason == f"the alias champion was moved from {logged} to version 2 outside segnet"
    assert champions.settled(model) == log
    versions.remove_alias(model, "champion")
    assert shown(champions.settled(model))[-1] == ("found", None, None, None)


def test_what_is_no_entry_is_named(mlflow_store, model):
    champions.append(model, draft("1", "1"), ())
    store.client(mlflow_store).set_model_version_tag(champions.log_of(model).name, "1", "entry", "{}")
    with pytest.raises(ValueError, match=r"entry 1: expected a decision logged by this program, got \{\}"):
        champions.read(model)


def test_the_log_is_bound_together(mlflow_store, model):
    from pipeline.registry.decision_log import broken

    first = champions.append(model, draft("1", "1"), ())
    second = champions.append(model, draft("2", "2", "1"), (first,))
    assert broken((first, second)) is None
    assert broken((replace(first, reason="another"), second)).number == 1
