"""A recipe's folds are one row of `segnet leaderboard`: their mean, and the standard deviation."""

from datetime import UTC, datetime

from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.registry.leaderboard import LoggedRun


def entry(name, **metrics):
    started = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    return LoggedRun(name, f"id-{name}", "FINISHED", started, metrics, {}, {"training_run": name}, ())


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
