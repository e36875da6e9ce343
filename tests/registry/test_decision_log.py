import json
from dataclasses import replace

import pytest

from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.core.bootstrap import Difference
from pipeline.registry import decision_log
from pipeline.registry.decision_log import Entry, Reign

RULE = {"min_gain": 0.0, "alpha_spending": True, "challenger": 2, "max_latency_ms": None}
VERDICT = Verdict(Outcome.HOLD, ("no gain",), "d" * 64, RULE, {"miou": Difference(0.0, 0.0, 0.0, 0.0)})
ENTRY = Entry("decided", "2", Reign("1", None), "2026-11-23T10:00:00Z", "ann", "no gain", VERDICT, {"candidate": "ab"})


def test_an_entry_survives_as_text():
    stored = replace(ENTRY, number=7, mark="m", after=6, chain="c" * 64)
    assert Entry.from_text(7, stored.text) == stored
    assert stored.to_json() == {
        "number": 7,
        "kind": "decided",
        "version": "2",
        "champion": "1",
        "previous_champion": None,
        "at": "2026-11-23T10:00:00Z",
        "by": "ann",
        "reason": "no gain",
        "verdict": VERDICT.to_json(),
        "evidence": {"candidate": "ab"},
        "mark": "m",
        "after": 6,
        "chain": "c" * 64,
    }


BARE = {
    "kind": "found",
    "version": None,
    "champion": None,
    "previous_champion": None,
    "at": "",
    "by": "",
    "reason": "",
}
COMPLETE = {**BARE, "verdict": None, "evidence": {}, "after": 0, "chain": ""}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "[" * 100_000, json.dumps({"verdict": None, "champion": None})),
        *(
            json.dumps({**COMPLETE, **change})
            for change in ({"kind": "lost"}, {"after": "0"}, {"by": None}, {"more": 1})
        ),
        json.dumps({**COMPLETE, "verdict": {**VERDICT.to_json(), "difference": {"miou": {"low": 0}}}}),
    ],
)
def test_what_is_no_entry_is_an_error(text):
    assert Entry.from_text(3, json.dumps(COMPLETE)).number == 3
    with pytest.raises(ValueError, match="entry 3: expected a decision logged by this program, got"):
        Entry.from_text(3, text)


def test_an_entry_follows_the_newest_and_what_came_too_late_does_not_count():
    first = replace(ENTRY.follow(()), number=1)
    late = replace(ENTRY.follow(()), number=2, by="bob")
    third = replace(ENTRY.follow((first,)), number=3)
    assert (third.after, third.chain) == (1, first.sha256)
    assert decision_log.counting([third, late, first]) == (first, third)


def test_an_entry_that_was_changed_later_is_found():
    first = replace(ENTRY.follow(()), number=1)
    second = replace(ENTRY.follow((first,)), number=2)
    assert decision_log.broken(()) is None
    assert decision_log.broken((first, second)) is None
    assert decision_log.broken((replace(first, by="eve"), second)).by == "eve"
