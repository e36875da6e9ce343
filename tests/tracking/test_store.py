import os
import re
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import boto3
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.tracking import runs, store
from tests.support.local_server import answering, free_port


def test_importing_tracking_neither_imports_mlflow_nor_changes_the_environment():
    code = "import os, sys; before = dict(os.environ); from pipeline.registry import model_files, champion; "
    code += "assert 'mlflow' not in sys.modules; assert dict(os.environ) == before"
    subprocess.run([sys.executable, "-c", code], check=True)


IMPORTS_MLFLOW = """
import os, sys
from pipeline.tracking import store
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "mlflow":
            print(os.environ.get("MLFLOW_DISABLE_TELEMETRY"), os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION"))
sys.meta_path.insert(0, Watch())
store.client("http://127.0.0.1:1")
"""


@pytest.mark.parametrize(
    ("address", "driver", "other"),
    [
        ("postgresql+psycopg2cffi", "psycopg2cffi", "postgresql+psycopg2:// (pip install psycopg2-binary)"),
        ("mssql", "pyodbc", "mssql+pymssql:// (pip install pymssql)"),
        ("mysql", "MySQLdb", "mysql+pymysql:// (pip install PyMySQL)"),
        ("mysql+pymysql", "pymysql", "mysql+pymysql:// (pip install PyMySQL)"),
    ],
)
def test_a_database_whose_driver_is_missing_is_refused_with_a_driver_of_its_own_kind(address, driver, other):
    expected = rf"expected the driver of the store {re.escape(address)}://.*host/x, got No module named '{driver}'; "
    expected += rf".*, as in {re.escape(other)}$"
    with pytest.raises(ValueError, match=expected) as err:
        store.client(f"{address}://me:secret@host/x")
    assert "secret" not in str(err.value)


def test_telemetry_and_unpickling_are_disabled_before_mlflow_is_imported():
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run([sys.executable, "-c", IMPORTS_MLFLOW], check=True, env=clean, stdout=subprocess.PIPE)
    assert done.stdout.decode().split() == ["true", "false"]


def test_the_default_store_is_a_file_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    assert store.address() == f"sqlite:///{tmp_path}/mlflow.db"


def test_in_no_repository_no_store_is_made_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"expected a repository .*, got {tmp_path}; .*, or set MLFLOW_TRACKING_URI"):
        store.address()
    (tmp_path / "mlflow.db").touch()  # a store that lies there alone is meant
    assert store.address() == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///runs/x.db", "sqlite:///{here}/runs/x.db"),  # another process may have another current folder
        *[(same, same) for same in ("sqlite:////var/x.db", "http://127.0.0.1:5000")],
    ],
)
def test_mlflow_tracking_uri_takes_precedence_over_the_default(given, used, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    monkeypatch.chdir(tmp_path)
    assert store.address() == used.format(here=tmp_path)


@pytest.mark.parametrize(("folder", "what"), [("nodir", "does not exist"), ("file", "is a file")])
def test_a_store_in_no_folder_is_refused_and_nothing_is_made(tmp_path, folder, what):
    (tmp_path / "file").touch()
    address = f"sqlite:///{tmp_path}/{folder}/x.db"
    with pytest.raises(
        ValueError, match=f"expected the store {address} in a folder, got {tmp_path}/{folder}, which {what}"
    ):
        store.client(address)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_servers_address_contains_no_password_and_mlflow_still_finds_it(monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "of another server")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:a%40b@host.example:5000/mlflow")
    assert store.address() == "https://host.example:5000/mlflow"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("me", "a@b")


@pytest.mark.parametrize("login", ["me@", ":secret@", ""])
def test_an_address_without_a_complete_login_is_left_to_mlflow(monkeypatch, login):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "before")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://{login}host.example:5000")
    assert store.address() == f"https://{login}host.example:5000"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "before"


def ask(uri):
    with store.reached(uri):
        store.client(uri).get_experiment_by_name("tests")


@pytest.mark.parametrize("uri", ["", "sqlite:////data/mlflow.db", "file:///data/mlruns", "mlruns", "http://a:5000"])
def test_on_a_cluster_runs_are_kept_by_a_server(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store.run_address() == store.address()
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert store.run_address() == store.address()
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    expected = r"to name a server where RAY_ADDRESS names a cluster, got .*, a file of this machine.*; start one"
    with nullcontext() if uri.startswith("http") else pytest.raises(ValueError, match=expected):
        assert store.run_address() == uri


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_says_what_to_set(status):
    message = f"expected an authorised user, got status {status}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING"
    with answering(status) as uri, pytest.raises(ValueError, match=f"{uri}: {message}") as caught:
        ask(uri)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_error_is_retried_later(status, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    message = f"cannot be reached: ResponseError.*many {status} error responses"
    with answering(status) as uri, pytest.raises(store.UnreachableError, match=f"{uri} {message}"):
        ask(uri)


def test_a_token_that_no_header_can_hold_is_not_repeated(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "kept-secret\n")  # as read from a file; requests quotes it
    with pytest.raises(store.UnreachableError, match=r"in header value: 'Bearer \$MLFLOW_TRACKING_TOKEN") as caught:
        ask("http://127.0.0.1:9")
    assert "kept-secret" not in str(caught.value)


def test_a_refused_request_is_mlflows_error():
    with answering(400) as uri, pytest.raises(MlflowException, match="400"):
        ask(uri)


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_server_that_answers_the_probe_with_any_status_is_reachable(status):
    with answering(status) as uri:
        store.probe(uri)


def test_a_server_that_never_answers_is_unreachable_within_seconds(monkeypatch):
    monkeypatch.setattr(store, "_PROBE_SECONDS", 0.2)
    began = time.monotonic()
    with answering(200, after=60) as uri:
        with pytest.raises(store.UnreachableError, match=r"cannot be reached: .*timed out"), store.reached(uri):
            store.probe(uri)
        assert time.monotonic() - began < 5


def upload(endpoint):
    """Upload a file as MLflow does if clients access the storage directly."""
    settings = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "config": Config(retries={"max_attempts": 0})}
    client = boto3.client("s3", "us-east-1", endpoint_url=endpoint, **settings)
    with store.reached("the-store"):
        client.upload_file(__file__, "bucket", "key")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, store.UnreachableError) for status in (408, 429, 500, 502, 503, 504)),
        (401, ValueError),
        (403, ValueError),
        (404, S3UploadFailedError),
    ],
)
def test_errors_of_the_artifact_storage_count_as_those_of_the_server(status, error):
    with answering(status) as endpoint, pytest.raises(error) as caught:
        upload(endpoint)
    assert type(caught.value) is error


def test_storage_that_nobody_serves_is_unreachable():
    with pytest.raises(store.UnreachableError, match="the-store cannot be reached: Could not connect"):
        upload(f"http://127.0.0.1:{free_port()}")


def test_an_error_of_ours_passes():
    with pytest.raises(ValueError, match=r"^ours$"), store.reached("anywhere"):
        raise ValueError("ours")


def test_artifacts_are_kept_beside_the_store(mlflow_store):
    location = Path(mlflow_store.removeprefix("sqlite:///")).with_name("mlartifacts")
    experiment = store.client(mlflow_store).get_experiment(store.experiment_id(mlflow_store, "tests"))
    assert experiment.artifact_location == location.as_uri()


def test_mlflow_experiment_name_takes_precedence_over_the_param(mlflow_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-the-environment")
    assert runs.start("of-the-params", "a").experiment == "of-the-environment"


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(mlflow_store):
    number = store.experiment_id(mlflow_store, "gone")
    store.client(mlflow_store).delete_experiment(number)
    with pytest.raises(ValueError, match=rf"experiment gone .* deleted one; restore it .*--experiment-id {number}"):
        store.experiment_id(mlflow_store, "gone")


def test_an_experiment_that_another_process_creates_meanwhile_is_used(mlflow_store, monkeypatch):
    number, find, asked = store.experiment_id(mlflow_store, "raced"), MlflowClient.get_experiment_by_name, []

    def not_yet(self, name):
        asked.append(name)
        return None if len(asked) == 1 else find(self, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", not_yet)
    assert store.experiment_id(mlflow_store, "raced") == number
    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", lambda self, name: None)
    with pytest.raises(MlflowException, match="name"):
        store.experiment_id(mlflow_store, "x" * 501)  # another error than that it exists
