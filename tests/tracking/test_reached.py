"""What a command says of a store that does not answer; tests/tracking/test_store_settings.py has every status."""

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from pipeline.tracking import reached
from tests.support import stores
from tests.support.local_server import free_port, serving


def no_answer():
    with pytest.raises(requests.ConnectionError) as caught:
        requests.get(f"http://127.0.0.1:{free_port()}", timeout=5)
    return caught.value


def caused_by(cause):
    error = ValueError("expected a version in the store")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("wrapped", [lambda err: err, caused_by])
def test_what_does_not_answer_is_named_with_what_to_do(monkeypatch, wrapped):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    said = str(reached.explained(wrapped(no_answer())))
    assert said.startswith("http://")
    assert "127.0.0.1:9 cannot be reached: NewConnectionError(" in said
    assert said.endswith('Connection refused")); start the server, or correct MLFLOW_TRACKING_URI')
    assert "secret" not in said


REFUSED = ": expected a server that answers to this host name, got status 403; start mlflow server with --allowed-hosts"


@pytest.mark.slow
def test_mlflows_own_server_that_does_not_answer_to_a_host_name(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    options = ("--backend-store-uri", stores.sqlite(tmp_path), "--allowed-hosts", "elsewhere.invalid:*")
    with (
        serving(tmp_path, "server", *options, health="/health") as address,
        pytest.raises(ValueError, match=f"^{address}{REFUSED}"),
        reached.reached(address),
    ):
        MlflowClient(address).search_experiments()


def test_a_host_name_that_is_refused_is_told_from_a_login(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@head:5000")
    body = "Response body: 'Invalid Host header - possible DNS rebinding attack detected'"
    for reason, said in (
        (body, f"http://head:5000{REFUSED}"),
        ("", "http://head:5000: expected an authorised user, got"),
    ):
        error = MlflowException(f"failed with error code 403. {reason}", error_code=PERMISSION_DENIED)
        assert str(reached.explained(error)).startswith(said)


def test_another_error_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert str(reached.explained(PermissionError("x"))) == "x"
    for error in (ValueError("y"), caused_by(KeyError("z")), MlflowException("no such run", error_code=1001)):
        assert reached.explained(error) is error
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    old = MlflowException("Detected out-of-date database schema")  # with status 500
    assert reached.explained(old) is old
