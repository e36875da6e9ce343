"""A recipe's folds are one row of `segnet leaderboard`: their mean, and the standard deviation."""

from datetime import UTC, datetime

from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.leaderboard import differing
from pipeline.registry.leaderboard import LoggedRun


def entry(name, params=None, **metrics):
    started = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    return LoggedRun(name, f"id-{name}", "FINISHED", started, metrics, params or {}, {"training_run": name}, "", ())


FOLDED = {"folds/miou": 0.41234567, "folds_deviation/miou": 0.03456, "folds/iou/car": 0.25}


def test_a_mean_over_folds_is_shown_with_its_deviation(monkeypatch):
    shown = [entry("a"), entry("b", **{"test/miou": 0.5}), entry("folds-c", **FOLDED)]
    monkeypatch.setattr("pipeline.registry.leaderboard.logged_runs", lambda uri, experiment: shown)

    def first_row(metric):
        arguments = ["leaderboard", "--experiment", "e", "--metric", metric]
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()[3].split()

    assert first_row("folds/miou")[:5] == ["1", "folds-c", "0.412346", "±", "0.035"]
    assert first_row("folds/iou/car")[:4] == ["1", "folds-c", "0.25", "2026-03-01"]  # in one fold: no deviation
    assert first_row("test/miou")[:4] == ["1", "b", "0.5", "2026-03-01"]


def test_what_a_cross_validation_or_a_running_training_lacks_does_not_differ():
    recipe = {"model.name": "segnet", "train.seed": "1"}
    running = recipe | {"dataset": "scenes", "class_weight.road": "1.0"}
    finished = running | {"evaluate.samples": "0"}
    folded = recipe | {"folds": "3"}
    shown = [entry("a", finished), entry("b", running), entry("folds-c", folded)]
    assert differing(shown) == []
    assert differing([*shown, entry("folds-d", folded | {"folds": "5"})]) == ["folds"]
    assert differing([*shown, entry("e", finished | {"evaluate.samples": "8"})]) == ["evaluate.samples"]
    assert differing([*shown, entry("f", running | {"train.blur": "0.5"})]) == ["train.blur"]
    assert differing([*shown, entry("g", running | {"start_from.sha256": "a"})]) == ["start_from.sha256"]
    assert differing([*shown, entry("i", running | {"vgg16": "ab"})]) == ["vgg16"]
    assert differing([*shown, entry("j", running | {"model.start_from": "null"})]) == []
    assert differing([*shown, entry("folds-h", folded | {"train.blur": "0.5"})]) == ["train.blur"]
