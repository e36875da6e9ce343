"""Promotions, one after the other, of models whose scores are set by hand: 3 hits are mIoU 0.375, 4 are 1."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import params
from pipeline.artifacts.spec import read_spec
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.registry import champion, model_files, promote, versions
from pipeline.registry.champion import OutrunError
from pipeline.registry.decision_log import Entry, Reign
from pipeline.registry.judge import Rule
from stages import register as stage
from tests.support import project as tree

VERDICT = Verdict(Outcome.PROMOTE, ("a gain",), "d" * 64, {"level": 0.95}, {})


def rule():
    settings = params.load()
    return Rule(settings.registration, settings.evaluate, stage.RAW, settings.placement)


def registration():
    return json.loads((stage.REPORTS / "registration.json").read_text())


def decided(model):
    return [(entry.kind, entry.version, entry.reign) for entry in champion.read(model)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Reign(None, None), Reign("2", None)),
        (Reign("1", None), Reign("2", "1")),
        (Reign("1", "3"), Reign("2", "1")),
        (Reign(None, "1"), Reign("2", "1")),  # the champion was deleted: the one before it can still be restored
        (Reign("2", "1"), Reign("2", "1")),
    ],
)
def test_a_promoted_version_is_followed_by_the_last_one_that_there_is(before, after):
    assert promote._promoted("2", before) == after


def decision(version="2", champion="2", kind="decided", **changes):
    return replace(Entry(kind, version, Reign(champion, "1"), "", "", "", VERDICT, {"candidate": "a"}), **changes)


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"reason": "other words", "mark": "m", "number": 3}, True),
        ({"kind": "forced"}, False),
        ({"evidence": {"candidate": "b"}}, False),
        ({"verdict": replace(VERDICT, reasons=("another",))}, False),
        ({"verdict": None}, False),
        ({"version": "3"}, False),
        ({"reign": Reign("2", None)}, False),
    ],
)
def test_a_decision_is_logged_already_only_if_all_of_it_is(changes, is_same):
    newest = decision()
    log = (decision("2", evidence={"candidate": "c"}), newest, decision("1"))
    assert promote._logged(decision(**changes), log) == (newest if is_same else None)
    assert promote._logged(decision(**changes), ()) is None


def test_a_champion_was_promoted_by_the_newest_verdict_on_it_that_made_it_one():
    first, again = decision(number=1), decision(number=2)
    back = decision(kind="rolled back", verdict=None)
    assert promote._promotion_of((first, again, decision("3"), back), "2") == again
    assert promote._promotion_of((first, decision("3", champion="3")), "2") is None
    assert promote._promotion_of((first, decision("3", champion="3")), "3") == decision("3", champion="3")
    assert promote._promotion_of((decision("2", champion="3"), back), "2") is None
    assert promote._promotion_of((), "2") is None


@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_forced_promotion_needs_a_reason(reason):
    with pytest.raises(ValueError, match="expected a reason for a forced promotion, got none; say why in a sentence"):
        promote.force(None, reason, None)


def test_a_forced_promotion_is_logged_with_the_verdict_of_the_rule(registered):
    model, held = registered(3, 3), registration()
    entry = promote.force(versions.version(model, "2"), "it looks better", rule())
    assert (entry.kind, entry.version, entry.reign) == ("forced", "2", Reign("2", "1"))
    assert (entry.reason, entry.verdict.outcome.name, list(entry.verdict.reasons)) == (
        "it looks better",
        "HOLD",
        held["reasons"],
    )
    assert champion.read(model)[1].reason == held["reasons"][0]
    assert versions.version(model, "2").tags["validation_status"] == "forced"


def test_a_promotion_that_is_killed_between_two_tags_leaves_an_intact_version(registered, monkeypatch):
    model = registered(3, 3)
    describe = versions.describe
    for number in range(7):

        def killed(version, tags, description=None, *, number=number):
            describe(version, dict(list(tags.items())[:number]), description)
            if description is not None and number < len(tags):
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(versions, "describe", killed)
            with pytest.raises(KeyboardInterrupt) if number < 6 else nullcontext():
                promote.force(versions.version(model, "2"), "it looks better", rule())
        model_files.check(versions.version(model, "2"))
    tags = versions.version(model, "2").tags
    assert tags["decision_files"].startswith("000003:")
    assert (tags["decision"], tags["decision_mark"]) == ("3", champion.read(model)[-1].mark)
    assert [entry.kind for entry in champion.read(model)] == ["decided", "decided", "forced"]


def test_a_version_that_was_rolled_back_is_promoted_again_on_the_same_evidence(registered):
    model = registered(3, 4)
    promote.roll_back(model)
    entry, verdict = promote.consider(versions.version(model, "2"), rule())
    assert (entry.number, entry.reign, verdict.outcome.name) == (4, Reign("2", "1"), "PROMOTE")
    assert champion.reign(model) == Reign("2", "1")


def test_the_same_verdict_on_other_evidence_is_logged(registered):
    model, held, spec = registered(3, 3), registration(), read_spec(stage.MODEL)
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# a remark\n")
    again = tree.registered(spec, hits=3)
    assert again == held
    first, second = champion.read(model)[1:]
    assert (first.kind, first.version, second.kind, second.version) == ("decided", "2", "decided", "2")
    assert first.evidence["candidate"] != second.evidence["candidate"]
    assert first.evidence["champion"] == second.evidence["champion"]
    tree.registered(spec, hits=3)
    assert champion.read(model)[1:] == (first, second)


def test_a_promoter_that_is_outrun_five_times_gives_up(registered, monkeypatch):
    model = registered(3, 3)
    tried, judged = [], promote._judge(versions.version(model, "2"), champion.read(model), rule())
    draft = replace(judged[0], reason="another", evidence={"candidate": "another"})
    monkeypatch.setattr(promote, "_judge", lambda *_: (draft, judged[1]))

    def outrun(model, draft, log):
        tried.append(draft)
        raise OutrunError("another was faster")

    monkeypatch.setattr(champion, "append", outrun)
    with pytest.raises(OutrunError, match="another was faster"):
        promote.consider(versions.version(model, "2"), rule())
    assert len(tried) == 5


def test_there_is_nothing_to_roll_back_to_if_the_previous_champion_is_the_champion(registered):
    model = registered(3)
    versions.set_alias(model, "previous_champion", "1")
    message = "expected a champion of .* and another, previous one to roll back to, got 1 and 1; promote a version"
    with pytest.raises(ValueError, match=message):
        promote.roll_back(model)
    assert decided(model)[1:] == [("found", "1", Reign("1", "1"))]


def test_a_version_that_is_rolled_back_to_was_promoted_then(registered, monkeypatch):
    model = registered(3)
    times = (f"2099-11-23T10:00:{second:02}Z" for second in range(60))
    monkeypatch.setattr(champion, "now", lambda: next(times))
    tree.registered(tree.named(read_spec(stage.MODEL), "b"), hits=4)
    before = [versions.version(model, number).tags["promoted_at"] for number in "12"]
    entry = promote.roll_back(model)
    assert entry.reason == "rolled back from version 2 to version 1"
    assert before[0] < before[1] < entry.at
    after = [versions.version(model, number).tags["promoted_at"] for number in "12"]
    assert after == [entry.at, before[1]]
