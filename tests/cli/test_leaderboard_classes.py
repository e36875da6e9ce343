"""`segnet leaderboard` by the score of a class whose name MLflow does not take as it is."""

from datetime import UTC, datetime

from pipeline.cli.leaderboard import rank
from pipeline.registry.leaderboard import LoggedRun


def entry(name, iou):
    started = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    return LoggedRun(name, f"id-{name}", "FINISHED", started, {"test/iou/road:2c: wet": iou}, {}, {}, "", ())


def test_a_class_is_ranked_by_its_own_name_or_by_mlflows():
    entries = [entry("a", 0.1), entry("b", 0.2)]
    for metric in ("test/iou/road, wet", "test/iou/road:2c: wet"):
        found = rank("e", entries, metric, ascending=False, top=None)
        assert ([each.name for each in found.ranked], found.metric) == (["b", "a"], "test/iou/road:2c: wet")
