from dataclasses import replace

import pytest

from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.core.bootstrap import Difference
from pipeline.registry import tries
from pipeline.registry.decision_log import Entry, Reign
from pipeline.registry.tries import Contest

GAIN = {"miou": Difference(0.0, -0.1, 0.1, 0.5)}
VERDICT = Verdict(Outcome.HOLD, ("no gain",), "data-1", {"images_per_block": 10}, GAIN)
MODELS = {"1": "one", "2": "two", "3": "three", "4": "two"}  # version 4 is version 2's model, registered again
CONTEST = Contest("one", "data-1")


def entry(version, *, champion="1", verdict=VERDICT, kind="decided"):
    return Entry(kind, version, Reign(champion, None), "", "", "", verdict, {})


FIRST = entry("1", verdict=replace(VERDICT, gains={}))  # became champion without a comparison


def number(*entries, challenger="new", contest=CONTEST, images_per_block=10):
    return tries.number((FIRST, *entries), MODELS, contest, challenger, images_per_block)


def test_the_first_challenger_is_number_1_and_each_other_model_the_next():
    assert number() == 1
    assert number(entry("2")) == 2
    assert number(entry("2"), entry("3")) == 3


def test_a_forced_promotion_that_was_rolled_back_was_a_try():
    back = entry("1", verdict=None, kind="rolled back")
    assert number(entry("2", champion="2", kind="forced"), back) == 2


@pytest.mark.parametrize("again", ["2", "4"])
def test_a_model_judged_again_is_no_other_try_and_keeps_its_number(again):
    assert number(entry("2"), entry("3"), entry(again)) == 3
    assert number(entry("2"), entry("3"), challenger=MODELS[again]) == 1
    assert number(entry("3"), entry("2"), challenger=MODELS[again]) == 2


def test_a_gate_that_asks_for_less_is_no_other_try_but_blocks_of_another_length_are():
    lenient = replace(VERDICT, rule={"images_per_block": 10, "min_gain": 0.0, "level": 0.9})
    shorter = replace(VERDICT, rule={"images_per_block": 5})
    assert number(entry("2"), entry("2", verdict=lenient)) == 2
    assert number(entry("2"), entry("2", verdict=shorter)) == 3
    assert number(entry("2"), challenger="two", images_per_block=5) == 2


@pytest.mark.parametrize("changes", [{"gains": {}}, {"test_data": "data-2"}])
def test_what_was_not_compared_on_these_test_images_is_no_try(changes):
    assert number(entry("2", verdict=replace(VERDICT, **changes))) == 1


def test_an_entry_without_a_verdict_is_no_try():
    assert number(entry("2", verdict=None, kind="found")) == 1


def test_a_new_champion_starts_anew_and_one_that_returns_does_not():
    promoted = entry("2", champion="2")
    assert number(entry("3"), promoted, contest=Contest("two", "data-1")) == 1
    assert number(promoted, entry("3", champion="2"), contest=Contest("two", "data-1")) == 2
    assert number(entry("3"), promoted, entry("1", verdict=None, kind="rolled back")) == 3


def test_the_champion_registered_again_as_another_version_is_the_same_champion():
    same = replace(VERDICT, gains={})
    assert number(entry("2", champion="2"), entry("3", champion="2"), entry("4", champion="4", verdict=same),
                  entry("5", champion="4"), contest=Contest("two", "data-1")) == 3  # fmt: skip


def test_versions_that_were_deleted_count_as_other_models():
    assert number(entry("7"), entry("8"), entry("7")) == 3


def test_a_lost_entry_counts_as_a_try():
    lost = [replace(entry("1", verdict=None, kind="lost"), number=number) for number in (7, 8)]
    assert number(entry("2"), *lost) == 4
    assert number(*lost, entry("2"), challenger="two") == 3
