import pathlib
import re
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from pipeline.tracking import round_trip, store
from tests.support.local_server import free_port


def test_a_store_that_does_all_passes_and_keeps_nothing_but_a_deleted_run(mlflow_store):
    told = round_trip.round_trip(mlflow_store, 1)
    assert re.fullmatch(r"a run, 1 MiB sent in \d\.\d s and fetched in \d\.\d s, a version and its alias", told)
    client = store.client(mlflow_store)
    assert not client.search_registered_models(f"name LIKE '{round_trip.NAME}%'")
    experiment = client.get_experiment_by_name(round_trip.NAME)
    assert not client.search_runs([experiment.experiment_id])
    (run,) = client.search_runs([experiment.experiment_id], run_view_type=2)
    assert not client.list_artifacts(run.info.run_id)


def test_the_file_is_as_large_as_asked_for_and_the_times_are_those_of_sending_and_fetching(mlflow_store, monkeypatch):
    sizes, now, send, fetch = [], [100.0], MlflowClient.log_artifact, MlflowClient.download_artifacts

    def slow(self, run_id, path):
        sizes.append(pathlib.Path(path).stat().st_size)
        now[0] += 2
        return send(self, run_id, path)

    def slower(self, *arguments):
        now[0] += 5
        return fetch(self, *arguments)

    monkeypatch.setattr(MlflowClient, "log_artifact", slow)
    monkeypatch.setattr(MlflowClient, "download_artifacts", slower)
    monkeypatch.setattr(round_trip.time, "monotonic", lambda: now[0])
    told = round_trip.round_trip(mlflow_store, 3)
    assert told == "a run, 3 MiB sent in 2.0 s and fetched in 5.0 s, a version and its alias"
    assert sizes == [3 * 1024**2]


def test_an_alias_of_another_version_is_found(mlflow_store, monkeypatch):
    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", lambda *_: SimpleNamespace(version="2"))
    with pytest.raises(ValueError, match="expected the alias of a version that was just made, got another; look at"):
        round_trip.round_trip(mlflow_store, 0)
    assert not store.client(mlflow_store).search_registered_models(f"name LIKE '{round_trip.NAME}%'")


def test_a_server_that_does_not_answer_is_found():
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(store.UnreachableError, match=f"{address} cannot be reached"):
        round_trip.round_trip(address, 1)


def test_a_file_that_comes_back_changed_is_found(mlflow_store, monkeypatch):
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
