import os
import re

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking._model_registry.utils import _get_store, _resolve_registry_uri

from pipeline.files import tracking_address
from pipeline.files.tracking_address import check_tracking_address, is_of_this_machine

FOLDERS = ["mlruns", "./mlruns", "./a:5/b", "../a", "/data/mlruns", "file:///data/mlruns", "file:mlruns", "localhost"]
ARN = "arn:aws:sagemaker:us-east-1:1:mlflow-tracking-server/a"


@pytest.fixture(autouse=True)
def no_folders(monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "http://host",
        "https://me:pw@host:5000/mlflow",
        "http://[::1]:5000",
        "sqlite:///mlflow.db",
        "sqlite:////var/a b.db",
        "sqlite:////var/what%3F/a.db",
        "sqlite:////:memory:/a.db",
        "postgresql://me:pw@host:5432/a",
        "postgresql+psycopg2://host/a",
        "mysql+pymysql://host/a",
        "mssql+pyodbc://host/a?driver=x",
    ],
)
def test_what_mlflow_takes_is_taken(given):
    check_tracking_address(given)


def refused(given, said):
    expected = (
        rf"^expected MLFLOW_TRACKING_URI to be http://HOST:PORT, https.*, got {re.escape(said)}; correct it, or unset"
    )
    with pytest.raises(ValueError, match=expected) as error:
        check_tracking_address(given)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        *("mlflow.example.com", "localhost", "mlflow.example.com/api", "http//localhost:5000", "https:localhost:5000"),
        *("localhost:5000", "127.0.0.1:5000/mlflow", "[::1]:5000", "host:99999", "http://h:99999", "http://[::1"),
        *("htp://localhost:5000", "http://", "http:///a", "HTTP://host", " http://host", "sqlite:///", "sqlite:a.db"),
        *("sqlite+pysqlite:///a.db", "postgres://host/a", "postgresql:host", "oracle://host/a", "s3://bucket/a"),
        *("file://host/a", *FOLDERS),
    ],
)
def test_all_else_is_refused_in_the_same_words(given):
    refused(given, given)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
@pytest.mark.parametrize(
    ("given", "got"),
    [
        ("sqlite:///mlflow.db?timeout=60", r"\? behind sqlite:///mlflow\.db; leave it and what follows out"),
        ("sqlite:////var/a.db?uri=true&key=secret", r"\? behind sqlite:////var/a\.db; leave it and what follows out"),
        ("sqlite:///a.db?", r"\? behind sqlite:///a\.db; .* as %3F$"),
        ("sqlite:///:memory:", "sqlite:///:memory:, a store that would end with each stage; name a file, or unset it"),
        ("sqlite:///%3Amemory%3A", "sqlite:///%3Amemory%3A, a store that would end with each stage"),
    ],
)
def test_of_an_sqlite_address_all_but_a_file_is_refused_and_no_other_file_is_made(monkeypatch, name, given, got):
    monkeypatch.setenv(name, given)
    with pytest.raises(ValueError, match=f"^expected {name} to be sqlite:///FILE.*, got {got}") as error:
        check_tracking_address(os.environ.get("MLFLOW_TRACKING_URI", ""))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("user:secret@mlflow", "mlflow"),
        ("user:secret@mlflow:5000/", "mlflow:5000/"),
        ("https:user:secret@mlflow", "mlflow"),
        ("htp://user:secret@mlflow", "htp://mlflow"),
        ("postgres://user:secret@host/a", "postgres://host/a"),
    ],
)
def test_what_is_refused_is_said_without_its_password(given, said):
    refused(given, said)


@pytest.mark.parametrize("given", ["databricks", "databricks://me", "databricks:me", "databricks-uc", "uc", "uc://a:1"])
def test_a_registry_without_aliases_or_searches_is_refused_and_the_message_says_so(monkeypatch, given):
    said = rf"whose registry has aliases and finds versions by their tags, got {given}: Unity Catalog.* cannot search"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with pytest.raises(
        ValueError, match=rf"^expected MLFLOW_TRACKING_URI to name a store {said}.*mlflow.db of the repo"
    ):
        check_tracking_address(given)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", given)
    for runs in ("", "http://host:5000"):
        with pytest.raises(
            ValueError, match=rf"^expected MLFLOW_REGISTRY_URI to name a store {said}.*models are regist"
        ):
            check_tracking_address(runs)


def test_a_registry_of_its_own_is_a_store_or_refused(monkeypatch):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://models:5000")
    check_tracking_address("http://runs:5000")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "user:secret@models:5000")
    with pytest.raises(
        ValueError, match=r"^expected MLFLOW_REGISTRY_URI to be http.*, got models:5000; correct it, or"
    ):
        check_tracking_address("http://runs:5000")


def test_what_mlflow_does_where_databricks_keeps_models_is_as_the_message_says():
    """A newer MLflow may do more: then the refusal can go."""
    catalog = _resolve_registry_uri(tracking_uri="databricks")
    assert catalog == "databricks-uc"
    with pytest.raises(MlflowException, match="'order_by' is unsupported for models in the Unity Catalog"):
        _get_store(catalog, "databricks").search_model_versions("name = 'a'", order_by=["version_number ASC"])
    with pytest.raises(
        MlflowException, match="'set_registered_model_alias' is unsupported for models in the Workspace"
    ):
        _get_store("databricks", "databricks").set_registered_model_alias("a", "champion", "1")


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_folders_are_stores_where_mlflow_is_told_so(monkeypatch, value):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", value)
    for given in FOLDERS:
        check_tracking_address(given)
    for given in ("localhost:5000", "http//localhost:5000", "me@host", "user:secret@mlflow", "file://host/a"):
        refused(given, given.replace("user:secret@", "").replace("me@", ""))


def test_a_plugins_scheme_is_taken(monkeypatch):
    class Plugin:
        name = "arn"

    monkeypatch.setattr(tracking_address, "entry_points", lambda group: {"mlflow.tracking_store": [Plugin]}[group])
    check_tracking_address(ARN)
    monkeypatch.undo()
    refused(ARN, ARN)


def test_files_and_folders_are_of_this_machine():
    assert all(map(is_of_this_machine, ["sqlite:///a.db", "file:///a", "file:a", "mlruns", "./a"]))
    assert not any(map(is_of_this_machine, ["http://a", "postgresql://a/b", "arn://a"]))
