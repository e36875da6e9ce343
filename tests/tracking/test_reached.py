"""What a command says of a store that does not answer; tests/tracking/test_store_settings.py has every status."""

import pytest
import requests
from mlflow.exceptions import MlflowException

from pipeline.tracking import reached
from tests.support.local_server import free_port


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


def test_another_error_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert str(reached.explained(PermissionError("x"))) == "x"
    for error in (ValueError("y"), caused_by(KeyError("z")), MlflowException("no such run", error_code=1001)):
        assert reached.explained(error) is error
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    old = MlflowException("Detected out-of-date database schema")  # with status 500
    assert reached.explained(old) is old
