"""What a training recorded is found by its name, in whichever experiment."""

import pytest

from pipeline.tracking import runs, trainings
from pipeline.tracking.store import UnreachableError


def test_params_are_found_in_any_experiment_and_not_in_a_run_that_has_none(mlflow_store, project, request):
    name = request.node.name
    runs.start("evaluated-only", name)  # as where another clone trained the model
    assert trainings.params(mlflow_store, name) is None
    runs.log_params(runs.start("other", name), {"dataset": "scenes", "start_from": {"run": "a", "version": None}})
    expected = {"dataset": "scenes", "start_from.run": "a", "start_from.version": "null"}
    assert trainings.params(mlflow_store, name) == expected
    assert trainings.params(mlflow_store, "nobody") is None


def test_a_server_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9 cannot be reached: "):
        trainings.params("http://127.0.0.1:9", "a")
