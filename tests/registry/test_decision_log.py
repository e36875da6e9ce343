import hashlib
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
    assert (ENTRY.number, ENTRY.mark, ENTRY.after, ENTRY.chain) == (0, "", 0, "")  # not stored yet
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


def test_the_text_of_an_entry_is_always_the_same():
    entry = Entry("found", None, Reign("1", None), "2026", "ann", "Straße", None, {"b": None, "a": "c"}, mark="m")
    assert entry.text == (
        '{"after": 0, "at": "2026", "by": "ann", "chain": "", "champion": "1", "evidence": {"a": "c", "b": null}, '
        '"kind": "found", "mark": "m", "previous_champion": null, "reason": "Straße", "verdict": null, "version": null}'
    )
    assert entry.sha256 == hashlib.sha256(entry.text.encode()).hexdigest()


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


@pytest.mark.parametrize("kind", ["decided", "forced", "rolled back", "found"])
def test_an_entry_of_each_kind_is_read(kind):
    assert Entry.from_text(3, json.dumps({**COMPLETE, "kind": kind})).kind == kind


def test_an_error_quotes_the_beginning_of_what_is_no_entry():
    with pytest.raises(ValueError, match=rf"got \[{'x' * 199}: "):
        Entry.from_text(3, "[" + "x" * 300)


def test_an_entry_follows_the_newest_and_what_came_too_late_does_not_count():
    first = replace(ENTRY.follow(()), number=1)
    late = replace(ENTRY.follow(()), number=2, by="bob")
    third = replace(ENTRY.follow((first,)), number=3)
    assert (third.after, third.chain) == (1, first.sha256)
    assert first.mark != third.mark
    assert len(bytes.fromhex(first.mark)) == 8
    after_lost = ENTRY.follow((first, replace(third, kind="lost")))
    assert (after_lost.after, after_lost.chain) == (3, "")
    assert decision_log.counting([third, late, first]) == (first, third)
    assert decision_log.counting([]) == ()


def numbered(number, after, champion=None):
    return Entry("found", None, Reign(champion, None), "", "", "", None, {}, number=number, after=after)


@pytest.mark.parametrize(
    ("entries", "unreadable", "newest", "counted"),
    [
        ((), {}, 0, []),
        ((), {}, 1, [(1, "lost", None)]),
        (((1, 0),), {}, 1, [(1, "found", "1")]),
        (((1, 0),), {}, 3, [(1, "found", "1"), (3, "lost", "1")]),
        (((1, 0), (2, 0), (3, 2)), {}, 0, [(1, "found", "1")]),  # 2 and what follows it came too late
        (((1, 0), (3, 2), (4, 3)), {}, 0, [(1, "found", "1"), (2, "lost", "1"), (3, "found", "3"), (4, "found", "4")]),
        (((3, 2),), {}, 0, [(2, "lost", None), (3, "found", "3")]),
        (((1, 5),), {}, 0, [(5, "lost", None), (1, "found", "1")]),  # a log that was deleted begins at 1 again
        (((1, 1),), {}, 0, [(1, "lost", None), (1, "found", "1")]),
        (((1, 0), (3, 1)), {2: "junk"}, 3, [(1, "found", "1"), (3, "found", "3")]),  # 2 came too late anyway
        (((1, 0),), {2: "junk"}, 0, [(1, "found", "1"), (2, "lost", "1")]),
        # 2 came before 3, which was refused then, and does not count because 2 is gone, unless it is known to count.
        (((1, 0), (3, 1)), {}, 2, [(1, "found", "1"), (2, "lost", "1")]),
        (((1, 0), (3, 1)), {}, 3, [(1, "found", "1"), (3, "found", "3")]),
        (((1, 0), (3, 1)), {2: "junk"}, 2, [(1, "found", "1"), (2, "lost", "1")]),
        (((1, 0), (3, 1), (4, 2)), {}, 4, [(1, "found", "1"), (2, "lost", "1"), (4, "found", "4")]),
        (((1, 0), (3, 1), (4, 3)), {}, 4, [(1, "found", "1"), (3, "found", "3"), (4, "found", "4")]),
        (((1, 0), (4, 2)), {}, 3, [(1, "found", "1"), (2, "lost", "1"), (4, "found", "4")]),
        (((2, 0), (3, 2)), {}, 3, [(2, "found", "2"), (3, "found", "3")]),
        ((), {1: "junk", 2: "junk"}, 0, [(2, "lost", None)]),
    ],
)
def test_entries_that_are_missing_are_lost_and_keep_the_aliases(entries, unreadable, newest, counted):
    log = decision_log.counting([numbered(*each, champion=str(each[0])) for each in entries], unreadable, newest)
    assert [(entry.number, entry.kind, entry.reign.champion) for entry in log] == counted
    for lost in (entry for entry in log if entry.kind == "lost"):
        assert lost.reason == ("junk" if unreadable else f"entry {lost.number} was deleted from the log")


def test_a_lost_entry_left_the_aliases_that_the_next_one_found_where_that_tells_them():
    first, held, back = numbered(1, 0, "1"), replace(ENTRY, number=3, after=2), numbered(3, 2)
    held = replace(held, reign=Reign("2", "1"))
    back = replace(held, kind="rolled back", verdict=None, reign=Reign("1", "2"))
    promoted = replace(held, verdict=replace(VERDICT, outcome=Outcome.PROMOTE), reign=Reign("3", "2"))
    for following, left in ((held, Reign("2", "1")), (back, Reign("2", "1")), (promoted, Reign("1", None))):
        log = decision_log.counting([first, following])
        assert [(entry.kind, entry.reign) for entry in log[1:]] == [
            ("lost", left),
            (following.kind, following.reign),
        ]


def test_a_version_became_champion_by_the_newest_entry_that_changed_it():
    log = tuple(numbered(place, place - 1, each) for place, each in enumerate("1122123", 1))
    assert [decision_log.made_champion(log, each).number for each in "123"] == [5, 6, 7]
    assert decision_log.made_champion(log, "4") is None
    assert decision_log.made_champion((), "1") is None


FIRST, GONE, LOST = numbered(1, 0, "7"), numbered(2, 1), replace(numbered(2, 1), kind="lost", reason="deleted")


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ((), None),
        ((GONE,), None),
        ((FIRST,), None),
        ((GONE, FIRST), None),
        ((FIRST, GONE), "version 7 was champion by entry 1, but has lost the alias"),
        ((FIRST, LOST, GONE), "deleted"),
        ((LOST, FIRST, GONE), "version 7 was champion by entry 1, but has lost the alias"),
        ((LOST, GONE), "deleted"),
    ],
)
def test_a_champion_that_was_lost_is_explained(log, reason):
    assert decision_log.lost_champion(log) == reason


def test_a_lost_entry_breaks_the_log_but_not_the_entry_before_it():
    first = replace(ENTRY.follow(()), number=1)
    lost = replace(ENTRY, kind="lost", number=2)
    third = replace(ENTRY.follow((first, lost)), number=3)
    assert decision_log.broken((first, lost, third)) == lost
    assert decision_log.broken((first, lost)) == lost
    assert decision_log.broken((lost, third)) == lost


def test_an_entry_that_was_changed_later_is_found():
    first = replace(ENTRY.follow(()), number=1)
    second = replace(ENTRY.follow((first,)), number=2)
    assert decision_log.broken(()) is None
    assert decision_log.broken((first, second)) is None
    assert decision_log.broken((replace(first, by="eve"), second)).by == "eve"
