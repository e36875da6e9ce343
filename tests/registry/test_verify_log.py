"""The links to the decision log, and what a link is when its check fails."""

from dataclasses import replace

import pytest

from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.files import atomic
from pipeline.registry import champion, judge, model_files, verify, versions
from pipeline.registry.decision_log import Entry, Reign
from pipeline.registry.verify import Link
from pipeline.registry.verify_checks import LINKS, AbsentError, BrokenError, Subject
from pipeline.registry.versions import RegisteredModel, Version

MODEL = RegisteredModel("a store", "segnet-toy")
VERDICT = Verdict(Outcome.HOLD, ("no gain",), "d" * 64, {"level": 0.95}, {})


def entry(log, version, champion, **changes):
    """The entry after those of `log`."""
    draft = Entry("decided", version, Reign(champion, None), "", "ann", "no gain", VERDICT, {})
    return replace(draft.follow(log), number=len(log) + 1, **changes)


FIRST = entry((), "1", "1")
SECOND = entry((FIRST,), "2", "1")
THIRD = entry((FIRST, SECOND), "2", "2")


@pytest.fixture
def store(monkeypatch):
    """Return a function that gives the model this log, these aliases and the versions 1 and 2."""

    def start(*log, reign=None, settled=True):
        monkeypatch.setattr(champion, "read", lambda model: log)
        monkeypatch.setattr(champion, "is_settled", lambda model, entry: settled)
        monkeypatch.setattr(champion, "reign", lambda model: reign or Reign(None, None))
        monkeypatch.setattr(versions, "versions", lambda model: [Version(model, number, {}) for number in "12"])

    return start


@pytest.fixture
def subject(tmp_path):
    """Version 2, with the files of the decisions in the log."""
    for each in (FIRST, SECOND, THIRD):
        folder = tmp_path / "decisions" / f"{each.number:06}"
        folder.mkdir(parents=True)
        atomic.write_json(folder / "verdict.json", each.to_json())
    return Subject(Version(MODEL, "2", {"decision": "2"}), tmp_path, tmp_path)


def test_the_log_holds_if_it_is_bound_together_and_the_aliases_follow_it(subject, store):
    store()
    assert LINKS["log"](subject) == "0 entries"
    store(FIRST, SECOND, THIRD, reign=Reign("2", None))
    assert LINKS["log"](subject) == "3 entries"


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            (FIRST, replace(SECOND, kind="lost", reason="it was deleted")),
            "expected entry 2 of the log, got none: it was deleted$",
        ),
        (
            (FIRST, replace(SECOND, by="eve"), THIRD),
            "expected entry 2 of the log as the next one recorded it, got a changed text$",
        ),
        (
            (FIRST, SECOND, THIRD),
            r"expected the aliases to be Reign\(champion='2', previous_champion=None\), got Reign\(champion='1', .*\)$",
        ),
    ],
)
def test_a_log_that_was_changed_is_broken(subject, store, log, message):
    store(*log, reign=Reign("1", None))
    with pytest.raises(BrokenError, match=message):
        LINKS["log"](subject)


def test_an_interrupted_decision_is_named_with_what_completes_it(subject, store):
    said = "expected the aliases that entry 3 gives, got those before it: a decision was interrupted; run segnet status"
    store(FIRST, SECOND, THIRD, reign=Reign("1", None), settled=False)
    with pytest.raises(BrokenError, match=f"{said}, which completes it$"):
        LINKS["log"](subject)
    store(FIRST, SECOND, THIRD, reign=Reign("2", None), settled=False)
    assert LINKS["log"](subject) == "3 entries"


@pytest.fixture
def recomputed(monkeypatch):
    """What the verdict was recomputed from, call by call; the result is that of the log."""
    calls = []

    def judge_again(model, entry, champion):
        calls.append((model, entry, champion))
        return {key: entry.verdict.to_json()[key] for key in ("verdict", "difference")}

    monkeypatch.setattr(judge, "judge_again", judge_again)
    return calls


def test_the_latest_verdict_on_a_version_is_recomputed_against_the_champion_of_then(subject, store, recomputed):
    store(FIRST, SECOND, THIRD)
    for number, before in (("1", None), ("2", "1"), ("3", "1")):
        subject.version.tags["decision"] = number
        assert LINKS["verdict"](subject) == f"entry {number}, HOLD"
        assert recomputed[-1] == (MODEL, (FIRST, SECOND, THIRD)[int(number) - 1], before)


def test_a_verdict_that_is_not_in_the_log_is_not_at_hand(subject, store):
    for log in ((), (FIRST,), (FIRST, replace(SECOND, verdict=None)), (FIRST, replace(SECOND, number=3))):
        store(*log)
        with pytest.raises(AbsentError, match="the log holds no verdict on the version"):
            LINKS["verdict"](subject)


def test_a_verdict_against_a_version_that_was_deleted_is_not_at_hand(subject, store):
    store(replace(FIRST, reign=Reign("7", None)), SECOND)
    with pytest.raises(AbsentError, match="version 7, with which it was compared, was deleted"):
        LINKS["verdict"](subject)


def test_a_verdict_must_be_the_one_kept_and_the_one_recomputed(subject, store, recomputed, monkeypatch):
    store(FIRST, replace(SECOND, by="eve"))
    with pytest.raises(BrokenError, match=r"expected the entry of the log to be .*'by': 'ann'.*, got .*'by': 'eve'"):
        LINKS["verdict"](subject)
    store(FIRST, SECOND)
    monkeypatch.setattr(judge, "judge_again", lambda *_: {"verdict": "HOLD", "reasons": ["a gain"]})
    message = r"expected the recomputed verdict's reasons to be \['no gain'\], got \['a gain'\]"
    with pytest.raises(BrokenError, match=message):
        LINKS["verdict"](subject)


@pytest.mark.parametrize(
    ("error", "link"),
    [
        (AbsentError("it is elsewhere"), Link("second", "not at hand", "it is elsewhere")),
        (BrokenError("expected a"), Link("second", "broken", "expected a")),
        *(
            (
                error("b"),
                Link("second", "broken", f"expected files as the stages write them, got one without {error('b')}"),
            )
            for error in (KeyError, IndexError, TypeError, OSError, StopIteration)
        ),
    ],
)
def test_links_end_with_the_first_broken_one(subject, monkeypatch, error, link):
    def check(subject):
        raise error

    checks = {"first": lambda subject: "all", "second": check, "third": lambda subject: "this too"}
    monkeypatch.setattr(model_files, "fetch", lambda version, path, into: into)
    monkeypatch.setattr(verify, "LINKS", checks)
    third = [Link("third", "holds", "this too")] if link.state == "not at hand" else []
    assert list(verify.verify(subject.version, subject.root)) == [Link("first", "holds", "all"), link, *third]
