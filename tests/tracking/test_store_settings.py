"""What MLflow and its errors are told: settings, waits, statuses and reasons."""

import os
import re
import sys
from types import SimpleNamespace

import pytest
import requests
from botocore import exceptions as botocore
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE

from pipeline.tracking import store

OURS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
DEFAULTS = {
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def test_mlflow_is_quiet_and_does_not_wait_long_unless_the_user_says_otherwise(monkeypatch):
    for name in (*OURS, *DEFAULTS):
        monkeypatch.setenv(name, "the user's")
    store.configure()
    assert {name: os.environ[name] for name in OURS} == OURS
    assert {os.environ[name] for name in DEFAULTS} == {"the user's"}
    for name in DEFAULTS:
        monkeypatch.delenv(name)
    store.configure()
    assert {name: os.environ[name] for name in DEFAULTS} == DEFAULTS


def test_the_login_of_a_database_stays_in_its_address(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "before")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host.example/mlflow")
    assert store.address() == "postgresql://me:secret@host.example/mlflow"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "before"


def test_an_error_is_told_where_the_storage_library_is_not_in_use(monkeypatch):
    monkeypatch.delitem(sys.modules, "botocore.exceptions")
    with pytest.raises(OSError, match=r"^no space$"), store.reached("http://one"):
        raise OSError("no space")


def test_a_server_is_asked_once_for_its_health_and_a_file_is_not(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "mlflow.utils.rest_utils.http_request",
        lambda creds, *words, **options: asked.append((creds.host, words, options)),
    )
    for uri in ("sqlite:///a.db", "http://one", "https://two"):
        store.probe(uri)
    given = (("/health", "GET"), {"timeout": 5, "max_retries": 0})
    assert asked == [("http://one", *given), ("https://two", *given)]


def unreachable(error):
    with pytest.raises(store.UnreachableError) as caught, store.reached("http://one"):
        raise error
    return str(caught.value)


def test_the_reason_is_one_short_line_without_what_wraps_it():
    def failed(text):
        return MlflowException(text, TEMPORARILY_UNAVAILABLE)

    assert unreachable(failed("it is\naway")) == "http://one cannot be reached: it is away"
    assert unreachable(failed("retries (Caused by (Caused by a reset")) == "http://one cannot be reached: a reset"
    assert unreachable(failed("x" * 251)) == f"http://one cannot be reached: {'x' * 250}"
    assert unreachable(failed("word " * 60)) == f"http://one cannot be reached: {'word ' * 50}..."


def answer(status):
    return requests.HTTPError(f"got {status}", response=SimpleNamespace(status_code=status))


class OfS3(botocore.ClientError):
    """An error of the storage with a status."""

    def __init__(self, status):
        super().__init__({"Error": {}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


OfS3.__module__ = "botocore.exceptions"
LOGIN = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
KEYS = r"the credentials of the storage \(AWS_ACCESS_KEY_ID ...\)"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.ConnectionError("no route"), "^http://one cannot be reached: no route$"),
        (requests.Timeout("too late"), "^http://one cannot be reached: too late$"),
        (answer(503), "^http://one cannot be reached: got 503$"),
        (answer(403), f"^http://one: expected an authorised user, got status 403; set {LOGIN}$"),
        (answer(404), "^got 404$"),
        (requests.HTTPError("no response", response=None), "^no response$"),
        (MlflowException("no run", RESOURCE_DOES_NOT_EXIST), "^no run$"),
        (OfS3(503), "^http://one cannot be reached: An error occurred"),
        (OfS3(403), f"^http://one: expected an authorised user, got status 403; set {KEYS}$"),
        (OfS3(404), "^An error occurred"),
        (botocore.NoCredentialsError(), f"^http://one: expected an authorised user, got status 401; set {KEYS}$"),
        (botocore.EndpointConnectionError(endpoint_url="a"), "^http://one cannot be reached: Could not connect"),
        (botocore.ReadTimeoutError(endpoint_url="a"), "^http://one cannot be reached: Read timeout"),
        (botocore.ParamValidationError(report="no bucket"), "^Parameter validation failed"),
        (OSError("no space"), "^no space$"),
    ],
)
def test_an_error_is_told_by_its_status(error, message):
    with pytest.raises(Exception, match=message) as caught, store.reached("http://one"):
        raise error
    assert isinstance(caught.value, store.UnreachableError) == ("cannot be reached" in message)
    assert (caught.value is error) == ("http://one" not in message)


@pytest.mark.parametrize("given", ["localhost:5000", "mlflow.example.com", "http://[::1", "./mlruns"])
def test_what_is_no_stores_address_is_refused(monkeypatch, given):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    with pytest.raises(ValueError, match=rf"expected MLFLOW_TRACKING_URI to be .*, got {re.escape(given)}; correct it"):
        store.address()


def test_a_folder_is_left_to_mlflow_where_that_takes_one(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    assert store.address() == "./mlruns"
