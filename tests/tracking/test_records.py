"""Records that a store may have kept already."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipeline.tracking import records, runs, store
from pipeline.tracking.records import Record, Writer
from tests.support.recorded import curve


def test_of_two_runs_of_a_training_by_a_clone_the_later_one_is_deleted(mlflow_store, request):
    name = request.node.name
    first = records.create(mlflow_store, "tests", name, "a-clone", at=1000)
    assert records.create(mlflow_store, "tests", name, "a-clone", at=2000) == first
    experiment = store.experiment_id(mlflow_store, "tests")
    kept = store.client(mlflow_store).search_runs([experiment], f"tags.{records.NAME_TAG} = '{name}'")
    assert [run.info.run_id for run in kept] == [first]
    other = records.create(mlflow_store, "tests", name, "another-clone", at=3000)
    assert other != first
    assert records.find(mlflow_store, "tests", name, "another-clone") == other
    assert records.find(mlflow_store, "tests", name) == first


@pytest.fixture
def sent(monkeypatch):
    """The metrics that are sent, as (key, value, time, step)."""
    metrics, log_batch = [], MlflowClient.log_batch

    def log(self, run_id, batch=(), **others):
        metrics.extend((metric.key, metric.value, metric.timestamp, metric.step) for metric in batch)
        return log_batch(self, run_id, batch, **others)

    monkeypatch.setattr(MlflowClient, "log_batch", log)
    return metrics


def test_only_curves_that_the_run_has_already_are_fetched(mlflow_store, request, monkeypatch):
    run, asked, history = runs.start("tests", request.node.name), [], MlflowClient.get_metric_history
    monkeypatch.setattr(
        MlflowClient, "get_metric_history", lambda self, run, key: (asked.append(key), history(self, run, key))[1]
    )
    for step, keys, expected in ((1, "abc", ""), (2, "abcd", "abc"), (2, "abcd", "abcabcd"), (3, "", "abcabcd")):
        Writer(mlflow_store, run.run_id).write(Record("metrics", {"step": step, "metrics": dict.fromkeys(keys, 0.5)}))
        assert "".join(asked) == expected
    assert [curve(run, key) for key in "ad"] == [[(1, 0.5), (2, 0.5)], [(2, 0.5)]]


def test_a_record_of_the_load_that_is_sent_again_adds_nothing(mlflow_store, request):
    run = runs.start("tests", request.node.name)
    for at in (5, 9, 5, 9, 12):
        Writer(mlflow_store, run.run_id).write(Record("load", {"system/cpu": float(at)}, at=at))
    assert curve(run, "system/cpu") == [(0, 5.0), (1, 9.0), (2, 12.0)]


def test_scores_that_the_run_has_are_not_sent_again(mlflow_store, request, sent):
    run_id = records.create(mlflow_store, "tests", request.node.name, "a-clone", at=1000)
    first, second = (Record("scores", {"test/miou": value}, at=at) for value, at in ((0.5, 2000), (0.25, 3000)))
    for record in (first, second):
        Writer(mlflow_store, run_id).write(record)
    assert sent == [("test/miou", 0.5, 2000, 0), ("test/miou", 0.25, 3000, 0)]
    for record in (first, second, Record("scores", {"test/miou": 0.25}, at=4000)):
        Writer(mlflow_store, run_id).write(record)
    assert len(sent) == 2


def test_no_request_has_more_params_than_every_server_takes(mlflow_store, request, monkeypatch):
    sizes, log_batch = [], MlflowClient.log_batch

    def log(self, run_id, *arguments, params=(), **others):
        sizes.append(len(params))
        return log_batch(self, run_id, *arguments, params=params, **others)

    monkeypatch.setattr(MlflowClient, "log_batch", log)
    run_id = records.create(mlflow_store, "tests", request.node.name, "a-clone", at=1000)
    for count in (1, 201, 201):
        Writer(mlflow_store, run_id).write(Record("params", {f"p{number}": "1" for number in range(count)}))
    assert sizes == [1, 100, 100]
    assert len(store.client(mlflow_store).get_run(run_id).data.params) == 201


def test_after_an_outage_the_run_is_asked_what_it_has(switch, request, monkeypatch, sent):
    run, log_batch = runs.start("tests", request.node.name), MlflowClient.log_batch
    runs.log_metrics(run, {"a": 0.1}, 1)

    def log_and_lose_the_answer(self, *arguments, **options):
        monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
        log_batch(self, *arguments, **options)
        raise MlflowException("the connection broke", TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(MlflowClient, "log_batch", log_and_lose_the_answer)
    runs.log_metrics(run, {"a": 0.2}, 2)
    runs.log_metrics(run, {"a": 0.9}, 2)
    assert curve(run, "a") == [(1, 0.1), (2, 0.2)]
    assert [(value, step) for _, value, _, step in sent] == [(0.1, 1), (0.2, 2)]  # not every store drops the same point


def test_a_data_set_that_another_run_records_at_the_same_moment_is_recorded_by_both(mlflow_store):
    record = Record("dataset", {"name": "scenes", "digest": "0" * 36, "source": "data/tiles", "context": "training"})
    first, second = (records.create(mlflow_store, "tests", f"at once, {n}", "a-clone", at=1000) for n in "12")

    waiting = [second]

    def other_run(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO datasets ") and waiting:
            Writer(mlflow_store, waiting.pop()).write(record)

    event.listen(Engine, "before_cursor_execute", other_run)
    try:
        Writer(mlflow_store, first).write(record)
    finally:
        event.remove(Engine, "before_cursor_execute", other_run)
    assert not waiting
    for run_id in (first, second):
        (entry,) = store.client(mlflow_store).get_run(run_id).inputs.dataset_inputs
        assert (entry.dataset.name, entry.dataset.digest) == ("scenes", "0" * 36)


def test_a_data_set_that_mlflow_refuses_is_its_error(mlflow_store, request):
    run_id = records.create(mlflow_store, "tests", request.node.name, "a-clone", at=1000)
    content = {"name": "n" * 501, "digest": "0" * 36, "source": "data/tiles", "context": "training"}
    with pytest.raises(MlflowException, match="'name' exceeds the maximum length"):
        Writer(mlflow_store, run_id).write(Record("dataset", content))
