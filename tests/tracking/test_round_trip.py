import pathlib

import pytest

from pipeline.tracking import round_trip, store
from tests.support.local_server import free_port


def test_a_store_that_does_all_passes_and_keeps_nothing_but_a_deleted_run(mlflow_store):
    assert round_trip.round_trip(mlflow_store, 1).startswith("a run, 1 MiB sent in 0.")
    client = store.client(mlflow_store)
    assert not client.search_registered_models(f"name LIKE '{round_trip.NAME}%'")
    experiment = client.get_experiment_by_name(round_trip.NAME)
    assert not client.search_runs([experiment.experiment_id])
    (run,) = client.search_runs([experiment.experiment_id], run_view_type=2)
    assert not client.list_artifacts(run.info.run_id)


def test_a_server_that_does_not_answer_is_found():
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(store.UnreachableError, match=f"{address} cannot be reached"):
        round_trip.round_trip(address, 1)


def test_a_file_that_comes_back_changed_is_found(mlflow_store, monkeypatch):
    from mlflow import MlflowClient

    fetch = MlflowClient.download_artifacts

    def changed(self, *arguments):
        copy = fetch(self, *arguments)
        with pathlib.Path(copy).open("ab") as file:
            file.write(b".")
        return copy

    monkeypatch.setattr(MlflowClient, "download_artifacts", changed)
    with pytest.raises(ValueError, match="expected the file that was sent, got another; look at the server's storage"):
        round_trip.round_trip(mlflow_store, 1)
    assert not store.client(mlflow_store).search_registered_models(f"name LIKE '{round_trip.NAME}%'")
