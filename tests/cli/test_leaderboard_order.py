"""The order of `segnet leaderboard`, and the params that it shows."""

import pytest

from pipeline.cli.leaderboard import differing, rank
from tests.cli.test_leaderboard import entry


def names(entries):
    return [each.name for each in entries]


def test_equal_runs_keep_the_order_of_their_start_whichever_comes_first():
    entries = [entry("a", miou=0.5), entry("b", miou=0.7), entry("c", miou=0.5)]
    assert names(rank("e", entries, "test/miou", ascending=False, top=None).ranked) == ["b", "a", "c"]
    assert names(rank("e", entries, "test/miou", ascending=True, top=None).ranked) == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("top", "ranked", "unranked"),
    [(None, "cb", "ad"), (1, "c", ""), (2, "cb", ""), (3, "cb", "a"), (9, "cb", "ad")],
)
def test_runs_without_the_metric_come_last(top, ranked, unranked):
    entries = [entry("a", loss=1.0), entry("b", miou=0.0), entry("c", miou=0.1), entry("d")]
    found = rank("e", entries, "test/miou", ascending=False, top=top)
    assert (names(found.ranked), names(found.unranked), found.total) == ([*ranked], [*unranked], 4)


MANY = entry("a", **{f"iou/class_{i}": 0.1 for i in range(90)}, miou=0.5)


@pytest.mark.parametrize(
    ("entries", "metric", "known"),
    [
        ([entry("a", miou=0.5), entry("b", loss=1.0)], "test/mIoU", r"\(test/loss, test/miou\), .*; choose another"),
        ([entry("a")], "test/mIoU", r"\(none yet\), got test/mIoU; choose another"),
        ([MANY], "folds/miou", r"\(.*test/miou and 83 more\), got folds/miou; segnet crossvalidate logs it when all"),
    ],
)
def test_a_metric_that_no_run_has_is_refused_with_those_most_like_it(entries, metric, known):
    with pytest.raises(ValueError, match=f"expected a metric that a run of the experiment e has {known}"):
        rank("e", entries, metric, ascending=False, top=None)


def test_only_params_that_differ_or_that_some_run_lacks_count():
    shared = {"model.name": "segnet", "train.seed": "1"}
    entries = [entry("a", shared), entry("b", shared | {"train.seed": "2"}), entry("c", shared | {"train.a": "x"})]
    assert differing(entries) == ["train.a", "train.seed"]
    assert differing(entries[:1]) == []


def test_a_run_without_any_params_does_not_make_all_of_them_differ():
    assert differing([entry("a", {"train.seed": "1"}), entry("b")]) == []
