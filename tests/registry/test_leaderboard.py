import time
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.registry import leaderboard
from pipeline.registry.leaderboard import Registered, logged_runs
from pipeline.tracking import runs, store


def test_a_run_is_returned_with_all_it_holds(mlflow_store):
    before = datetime.now(UTC) - timedelta(milliseconds=1)  # MLflow truncates to them
    run = runs.start("listed", "0123abcd")
    with runs.running(run):
        runs.log_params(run, {"train": {"seed": 2}})
        runs.log_dataset(run, "scenes", "0123.dir", source="data/tiles", context="training")
        for epoch in (1, 2):
            runs.log_metrics(run, {"val/miou": epoch / 10}, epoch)
    (entry,) = logged_runs(mlflow_store, "listed")
    assert (entry.name, entry.run_id, entry.status) == ("0123abcd", run.run_id, "FINISHED")
    assert before <= entry.started <= datetime.now(UTC)
    assert entry.metrics == {"val/miou": 0.2}
    assert entry.params == {"train.seed": "2"}
    assert entry.tags["training_run"] == "0123abcd"
    assert entry.data == "0123.dir"
    assert entry.versions == ()


def test_runs_of_all_pages_come_in_the_order_of_their_start(mlflow_store, monkeypatch):
    monkeypatch.setattr(leaderboard, "_RESULTS_PER_REQUEST", 2)
    number = store.experiment_id(mlflow_store, "pages")
    for start in (3, 1, 5, 2, 4):
        store.client(mlflow_store).create_run(number, start_time=start, run_name=f"run-{start}")
    logged = logged_runs(mlflow_store, "pages")
    assert [entry.name for entry in logged] == ["run-1", "run-2", "run-3", "run-4", "run-5"]
    assert logged[4].started == datetime(1970, 1, 1, microsecond=5000, tzinfo=UTC)


def test_deleted_runs_and_those_of_other_experiments_are_left_out(mlflow_store):
    kept = runs.start("some", "kept")
    runs.start("others", "kept")
    store.client(mlflow_store).delete_run(runs.start("some", "deleted").run_id)
    assert [entry.run_id for entry in logged_runs(mlflow_store, "some")] == [kept.run_id]


def test_a_metric_that_is_no_number_counts_as_missing(mlflow_store):
    run = runs.start("undefined", "a")
    for key, value in (("test/miou", float("nan")), ("test/loss", 0.5)):
        store.client(mlflow_store).log_metric(run.run_id, key, value)
    assert logged_runs(mlflow_store, "undefined")[0].metrics == {"test/loss": 0.5}


def test_versions_of_all_pages_stand_with_their_training_and_its_aliases(mlflow_store, monkeypatch):
    monkeypatch.setattr(leaderboard, "_RESULTS_PER_REQUEST", 2)
    client = store.client(mlflow_store)
    for name in ("first", "second", "third"):
        runs.start("versions", name)
    trainings = {"segnet-listed": ("first", "second", None, "first"), "segnet-also": ("first",)}
    for model, names in trainings.items():
        client.create_registered_model(model)
        for name in names:
            client.create_model_version(model, "https://models.invalid/a", tags={"training_run": name} if name else {})
    for alias, number in (("champion", "4"), ("challenger", "4"), ("previous_champion", "2")):
        client.set_registered_model_alias("segnet-listed", alias, number)
    time.sleep(0.002)  # MLflow stores milliseconds
    client.set_model_version_tag("segnet-listed", "1", "changed", "later")  # as the latest update, it would come first
    registered = {entry.name: entry.versions for entry in logged_runs(mlflow_store, "versions")}
    assert registered == {
        "first": (
            Registered("segnet-also", "1", ()),
            Registered("segnet-listed", "1", ()),
            Registered("segnet-listed", "4", ("challenger", "champion")),
        ),
        "second": (Registered("segnet-listed", "2", ("previous_champion",)),),
        "third": (),
    }


def test_a_run_that_is_no_training_of_ours_has_mlflows_name_and_no_version(mlflow_store):
    number = store.experiment_id(mlflow_store, "foreign")
    store.client(mlflow_store).create_run(number, run_name="by-hand")
    (entry,) = logged_runs(mlflow_store, "foreign")
    assert (entry.name, entry.versions) == ("by-hand", ())


def test_an_experiment_that_is_missing_is_refused_and_not_created(mlflow_store):
    store.experiment_id(mlflow_store, "existing")
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"expected an experiment in sqlite:.*existing.*, got typo, .* MLFLOW_TRACKING_URI"
        ):
            logged_runs(mlflow_store, "typo")


def test_a_deleted_experiment_is_refused(mlflow_store):
    store.client(mlflow_store).delete_experiment(store.experiment_id(mlflow_store, "deleted"))
    with pytest.raises(ValueError, match="got deleted, which is missing or deleted; run dvc repro, which makes it"):
        logged_runs(mlflow_store, "deleted")
