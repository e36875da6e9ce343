import shutil
from dataclasses import replace

import pytest

from pipeline.registry import champion as champions, decision_log, versions
from pipeline.registry.champion import OutrunError
from pipeline.registry.decision_log import Reign
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from tests.support import stores
from tests.support.promoted import draft, three_versions


@pytest.fixture
def model(mlflow_store, request):
    return three_versions(mlflow_store, f"segnet-{request.node.name}")


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


@pytest.fixture(scope="module")
def four_decisions(tmp_path_factory):
    """A store's file whose log has four decisions: 1, 2, 3 and 1 became champion."""
    folder = tmp_path_factory.mktemp("decided")
    model, log = three_versions(stores.sqlite(folder), "segnet-decided"), ()
    for version, before in (("1", None), ("2", "1"), ("3", "2"), ("1", "3")):
        champions.append(model, draft(version, version, before), log)
        log = champions.read(model)
    return folder / "mlflow.db"


@pytest.fixture
def decided(four_decisions, tmp_path):
    """The model of these decisions, in a store of its own."""
    shutil.copy(four_decisions, tmp_path)
    return RegisteredModel(f"sqlite:///{tmp_path}/mlflow.db", "segnet-decided")


@pytest.fixture
def log(decided):
    return champions.read(decided)


def delete(model, *numbers):
    for number in numbers:
        store.client(model.uri).delete_model_version(champions.log_of(model).name, str(number))


@pytest.mark.parametrize("deleted", [(1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3)])
def test_an_entry_that_was_deleted_is_named_and_hides_nothing_after_it(decided, log, deleted):
    delete(decided, *deleted)
    found = champions.settled(decided)
    kept = [entry for entry in log if entry.number not in deleted]
    assert [entry for entry in found if entry.kind != "lost"] == kept
    lost = [(entry.number, entry.reason) for entry in found if entry.kind == "lost"]
    assert lost == [(max(deleted), f"entry {max(deleted)} was deleted from the log")]
    assert champions.reign(decided) == Reign("1", "3")
    fifth = champions.append(decided, draft("2", "2", "1"), found)
    assert champions.settled(decided) == (*found, fifth)


def test_the_newest_entry_is_named_if_it_was_deleted_and_the_log_continues_after_it(decided, log):
    delete(decided, 4)
    found = champions.settled(decided)
    assert [(entry.number, entry.kind) for entry in found] == [
        *((n, "forced") for n in (1, 2, 3)),
        (4, "lost"),
        (5, "found"),
    ]
    assert found[-1].reason == "entry 4 was deleted from the log; the aliases are taken as they are"
    assert found[-1].reign == champions.reign(decided) == Reign("1", "3")
    assert champions.settled(decided) == found


@pytest.mark.parametrize("decision", ["", "3", "4"])
def test_all_entries_may_be_deleted_and_are_still_missed(decided, log, decision):
    versions.describe(versions.version(decided, "1"), {"decision": decision})
    delete(decided, 1, 2, 3, 4)
    client = store.client(decided.uri)
    client.delete_registered_model_alias(decided.name, "champion")
    client.delete_registered_model_alias(decided.name, "previous_champion")
    (lost,) = champions.read(decided)
    assert (lost.number, lost.kind, lost.reason) == (4, "lost", "entry 4 was deleted from the log")
    assert decision_log.lost_champion(champions.settled(decided)) == lost.reason
    fifth = champions.append(decided, draft("2", "2"), champions.read(decided))
    assert champions.read(decided)[-1] == fifth


def test_a_log_that_was_deleted_is_missed_by_what_it_left_at_the_versions(decided, log):
    versions.describe(versions.version(decided, "1"), {"decision": "4"})
    store.client(decided.uri).delete_registered_model(champions.log_of(decided).name)
    found = champions.settled(decided)
    assert [(entry.number, entry.kind) for entry in found] == [(4, "lost"), (1, "found")]
    assert found[1].reason == (
        f"the log {champions.log_of(decided).name} has no entry, although versions bear the decisions of up to "
        "entry 4; if the model was renamed, its earlier log is promotions-of-<its old name>; the "
        "aliases are taken as they are"
    )
    for number in range(2, 6):  # beyond the number of the lost one
        champions.append(decided, draft("2", "2", "1"), champions.read(decided))
        assert champions.read(decided)[-1].number == number
    assert [entry.number for entry in champions.read(decided)] == [4, 1, 2, 3, 4, 5]


def test_a_log_with_an_entry_does_not_count_as_deleted(model):
    champions.append(model, draft("1", "1"), ())
    log = champions.read(model)
    versions.describe(versions.version(model, "1"), {"decision": "9"})
    assert champions.read(model) == log
    store.client(model.uri).set_model_version_tag(champions.log_of(model).name, "1", "entry", "none")
    versions.describe(versions.version(model, "1"), {"decision": "1"})
    (lost,) = champions.read(model)
    assert (lost.number, lost.reason[:45]) == (1, "entry 1: expected a decision logged by this p")


@pytest.mark.parametrize("text", ["{}", "", "[" * 100_000])
def test_what_is_no_entry_is_named_and_hides_nothing(decided, log, text):
    store.client(decided.uri).set_model_version_tag(champions.log_of(decided).name, "2", "entry", text[:5000])
    first, second, third, fourth = champions.settled(decided)
    assert (first, third, fourth) == (log[0], log[2], log[3])
    assert (second.kind, second.reign) == ("lost", first.reign)
    assert second.reason.startswith("entry 2: expected a decision logged by this program, got")


@pytest.mark.parametrize("alias", ["champion", "previous_champion"])
def test_the_deletion_of_a_version_with_an_alias_is_logged(decided, log, alias):
    number = {"champion": "1", "previous_champion": "3"}[alias]
    store.client(decided.uri).delete_model_version(decided.name, number)
    found = champions.settled(decided)[-1]
    assert (found.kind, found.reason) == (
        "found",
        f"version {number}, which had the alias {alias}, was deleted outside segnet",
    )
    assert champions.reign(decided) == found.reign


def test_a_promoter_that_died_before_its_version_was_deleted_is_completed(decided, log, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(champions, "settle", lambda model: None)
        champions.append(decided, draft("2", "2", "1"), log)
    store.client(decided.uri).delete_model_version(decided.name, "2")
    found = champions.settled(decided)
    assert [entry.kind for entry in found[4:]] == ["forced", "found"]
    assert found[-1].reason == "version 2, which had the alias champion, was deleted outside segnet"
    assert champions.reign(decided) == Reign(None, "1")


def test_all_versions_may_be_deleted(decided, log):
    for number in ("1", "2", "3"):
        store.client(decided.uri).delete_model_version(decided.name, number)
    assert champions.settled(decided)[-1].reign == champions.reign(decided) == Reign(None, None)


def test_the_log_is_bound_together(mlflow_store, model):
    from pipeline.registry.decision_log import broken

    first = champions.append(model, draft("1", "1"), ())
    second = champions.append(model, draft("2", "2", "1"), (first,))
    assert broken((first, second)) is None
    assert broken((replace(first, reason="another"), second)).number == 1
