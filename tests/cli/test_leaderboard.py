"""`segnet leaderboard`."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.leaderboard import Ranking, as_json
from pipeline.registry.leaderboard import LoggedRun, Registered
from pipeline.tracking import runs, store
from tests.support import ROOT


def entry(name, params=None, *versions, data="", **metrics):
    """A run with the metrics test/<name>."""
    scores = {f"test/{key}": value for key, value in metrics.items()}
    started = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    return LoggedRun(
        name, f"id-{name}", "FINISHED", started, scores, params or {}, {"training_run": name}, data, versions
    )


def test_json_holds_everything_known_about_the_runs():
    champion = entry("a", {"seed": "1"}, Registered("segnet-scenes", "2", ("champion",)), miou=0.1 + 0.2)
    found = json.loads(json.dumps(as_json(Ranking("e", "test/miou", False, (champion,), (entry("b"),), 5))))
    first, second = found.pop("runs")
    assert found == {"experiment": "e", "metric": "test/miou", "ascending": False, "total": 5, "differing_params": []}
    shared = {"status": "FINISHED", "started": "2026-03-01T12:30:00+00:00"}
    assert first == shared | {
        "rank": 1,
        "value": 0.30000000000000004,
        "name": "a",
        "run_id": "id-a",
        "metrics": {"test/miou": 0.30000000000000004},
        "params": {"seed": "1"},
        "tags": {"training_run": "a"},
        "data": "",
        "versions": [{"model": "segnet-scenes", "number": "2", "aliases": ["champion"]}],
    }
    empty = {"rank": None, "value": None, "metrics": {}, "params": {}, "data": "", "versions": []}
    assert second == shared | empty | {"name": "b", "run_id": "id-b", "tags": {"training_run": "b"}}


def run(*arguments, width=80, **environment):
    return CliRunner().invoke(app, ["leaderboard", *arguments], env={"COLUMNS": str(width), **environment})


@pytest.fixture
def board(monkeypatch):
    """Show these runs, whatever the experiment."""

    def show(*entries):
        monkeypatch.setattr("pipeline.registry.leaderboard.logged_runs", lambda uri, experiment: list(entries))

    return show


THREE = (
    entry("a" * 16, {"train.seed": "1", "train.loss": "dice"}, Registered("segnet-scenes", "1", ()), miou=0.25),
    entry("b" * 16, {"train.seed": "2", "train.loss": "dice"}),
    entry(
        "c" * 16,
        {"train.seed": "3", "train.loss": "dice"},
        Registered("segnet-scenes", "2", ()),
        Registered("segnet-scenes", "3", ("challenger", "champion")),
        miou=0.4312345678,
    ),
)


def test_runs_are_a_table_where_it_fits(board):
    board(*THREE)
    result = run("--experiment", "e", width=160)
    assert result.exit_code == 0, result.output
    caption, unranked, *table = [line.split() for line in result.stdout.splitlines()]
    assert " ".join(caption) == "e by test/miou, highest first: 3 of 3 runs"
    versions = ["segnet-scenes/2,", "segnet-scenes/3", "challenger", "champion"]
    assert table == [
        ["rank", "run", "test/miou", "train.seed", "version", "started", "(UTC)", "status"],
        ["1", "c" * 16, "0.431235", "3", *versions, "2026-03-01", "12:30", "FINISHED"],
        ["2", "a" * 16, "0.25", "1", "segnet-scenes/1", "2026-03-01", "12:30", "FINISHED"],
        ["-", "b" * 16, "-", "2", "-", "2026-03-01", "12:30", "FINISHED"],
    ]
    assert " ".join(unranked) == f"not ranked, without test/miou: {'b' * 16}"


def test_what_runs_of_different_data_learnt_from_is_shown(board):
    weights = {"class_weight.sky": "1.5", "train.seed": "1"}
    ours, theirs = entry("a", weights, data="0123456789.dir", miou=0.5), entry("b", data="abcdef0123.dir", miou=0.25)
    board(ours, theirs, entry("c", miou=0.125))
    _, note, heading, *rows = run("--experiment", "e").stdout.splitlines()
    assert note == "the runs learnt from different data: compare scores of the same test images alone"
    assert heading.split()[:4] == ["rank", "run", "test/miou", "data"]
    assert [row.split()[3] for row in rows] == ["01234567", "abcdef01", "-"]
    board(ours, entry("b", weights | {"class_weight.sky": "2.5"}, data=ours.data, miou=0.25))
    _, heading, *_ = run("--experiment", "e").stdout.splitlines()
    assert heading.split() == ["rank", "run", "test/miou", "started", "(UTC)", "status"]


def test_each_run_is_a_block_of_lines_where_the_table_does_not_fit(board):
    board(*THREE[1:])
    assert run("--experiment", "e").stdout == (
        "e by test/miou, highest first: 2 of 2 runs\n"
        "not ranked, without test/miou: bbbbbbbbbbbbbbbb\n"
        "\n"
        "rank           1\n"
        "run            cccccccccccccccc\n"
        "test/miou      0.431235\n"
        "train.seed     3\n"
        "version        segnet-scenes/2, segnet-scenes/3 challenger champion\n"
        "started (UTC)  2026-03-01 12:30\n"
        "status         FINISHED\n"
        "\n"
        "rank           -\n"
        "run            bbbbbbbbbbbbbbbb\n"
        "test/miou      -\n"
        "train.seed     2\n"
        "version        -\n"
        "started (UTC)  2026-03-01 12:30\n"
        "status         FINISHED\n"
    )


def test_long_words_are_neither_cut_nor_broken_nor_taken_for_markup(board):
    path = "[red]" + "x" * 200 + ":car:"
    board(entry("a", {"model.vgg16.path": path}, miou=0.5), entry("b", {"model.vgg16.path": "y"}, miou=0.4))
    assert path in run("--experiment", "e").stdout
    assert path in run("--experiment", "e", width=400).stdout


def test_there_is_no_column_of_versions_where_no_run_became_one(board):
    board(THREE[1], entry("a", miou=0.5))
    assert "version" not in run("--experiment", "e").stdout


def weights(*values):
    return {"train.class_weights": json.dumps(values)}


def test_long_lists_are_shortened(board):
    board(entry("a", weights(1.5, 2.0, 0.5, 0.1, 0.2), miou=0.5), entry("b", weights(1.0, 2.0), miou=0.4))
    shown = run("--experiment", "e", width=160).stdout
    assert all(text in shown for text in ("[1.5, 2.0, 0.5, ... 5 values]", "[1.0, 2.0]"))


def test_lists_that_would_look_alike_are_not_shortened(board):
    board(*(entry(name, weights(1, 2, 3, 4, last), miou=0.5) for name, last in (("a", 5), ("b", 6))))
    shown = run("--experiment", "e", width=160).stdout
    assert all(text in shown for text in ("[1, 2, 3, 4, 5]", "[1, 2, 3, 4, 6]"))


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        (("--metric", "test/miou"), ["high", "low"]),
        (("--metric", "test/miou", "--ascending"), ["low", "high"]),
        (("--metric", "test/loss"), ["low", "high"]),
        (("--metric", "test/calibration_error"), ["low", "high"]),
        (("--metric", "test/loss", "--descending"), ["high", "low"]),
        (("--metric", "test/loss_of_memory"), ["high", "low"]),
    ],
)
def test_losses_rank_lowest_first_and_all_else_highest_unless_told_otherwise(board, arguments, order):
    metrics = ("miou", "loss", "calibration_error", "loss_of_memory")
    board(entry("low", **dict.fromkeys(metrics, 0.1)), entry("high", **dict.fromkeys(metrics, 0.9)))
    found = json.loads(run("--experiment", "e", "--json", *arguments).stdout)
    assert [each["name"] for each in found["runs"]] == order


@pytest.fixture
def experiments(mlflow_store, tmp_path, monkeypatch):
    """Experiments of the params, of the environment and of the option, with a run each; the current folder's params."""
    for name in ("of-params", "of-environment", "of-option"):
        runs.log_scores(runs.start(name, f"run-{name}"), {"test/miou": 0.5})
    text = (ROOT / "params.yaml").read_text().replace("experiment: segnet", "experiment: of-params")
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("experiments")
@pytest.mark.parametrize(
    ("arguments", "environment", "name"),
    [
        ((), {}, "of-params"),
        ((), {"MLFLOW_EXPERIMENT_NAME": "of-environment"}, "of-environment"),
        (("--experiment", "of-option"), {"MLFLOW_EXPERIMENT_NAME": "of-environment"}, "of-option"),
    ],
)
def test_the_environment_wins_over_the_params_and_the_option_over_both(arguments, environment, name):
    result = run("--json", *arguments, **environment)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["experiment"], [each["name"] for each in found["runs"]]) == (name, [f"run-{name}"])


@pytest.mark.usefixtures("mlflow_store")
def test_no_params_are_needed_where_the_experiment_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs.log_scores(runs.start("given", "run-a"), {"test/miou": 0.5})
    assert "run-a" in run("--experiment", "given").stdout
    with pytest.raises(ValueError, match=r"params.yaml: expected a readable YAML file"):
        raise run().exception


@pytest.mark.usefixtures("mlflow_store")
def test_an_experiment_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match=r"expected an experiment in sqlite:.*, got typo"):
        raise run("--experiment", "typo").exception


@pytest.mark.parametrize("arguments", [("--top", "0"), ("--metric",)])
def test_a_wrong_option_is_a_usage_error(arguments):
    assert run(*arguments).exit_code == 2


def test_the_version_that_a_run_became_is_shown_with_its_alias(mlflow_store):
    runs.log_scores(runs.start("crowned", "run-crowned"), {"test/miou": 0.5})
    client = store.client(mlflow_store)
    client.create_registered_model("segnet-crowned")
    client.create_model_version("segnet-crowned", "https://models.invalid/a", tags={"training_run": "run-crowned"})
    client.set_registered_model_alias("segnet-crowned", "champion", "1")
    assert "segnet-crowned/1 champion" in run("--experiment", "crowned", width=160).stdout
