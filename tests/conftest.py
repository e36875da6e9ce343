"""What every test may rely on."""

import signal
from urllib.parse import urlsplit

import pytest

from pipeline.tracking import store
from tests.support import stores, unreliable

# A user's own settings: a test that followed them would write to that user's server, or join that user's cluster.
SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_RUN_ID",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
    "SEGNET_FOLD",
    "SEGNET_MIRROR",
    "SEGNET_ORIGIN",
    "SEGNET_STORAGE",
)

store.configure()  # before anything imports MLflow, such as the conftest of a room


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell sets it for what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # or commands that tests start would ignore it too


def pytest_collection_modifyitems(items):
    """Begin with the longest, so that of several processes none is left alone with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)


@pytest.fixture(autouse=True)
def without_user_settings(monkeypatch):
    """Hide the environment variables that name servers, clusters and mirrors; those of a test end with it."""
    for name in SETTINGS:
        monkeypatch.setenv(name, "")  # so that one that the program itself sets meanwhile is removed afterwards
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def mlflow_file(tmp_path_factory):
    """The address of an MLflow store that all tests share."""
    return stores.sqlite(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def mlflow_store(mlflow_file, monkeypatch, without_user_settings):
    """The address of an MLflow store, which MLFLOW_TRACKING_URI names during the test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_file)
    return mlflow_file


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """The environment of an S3 server that all tests share."""
    with stores.s3(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


@pytest.fixture
def bucket(s3_server, request, monkeypatch):
    """The address of an empty place in the bucket, which the environment gives access to during the test."""
    for key, value in s3_server.items():
        monkeypatch.setenv(key, value)
    return f"s3://{stores.BUCKET}/{request.module.__name__}/{request.node.name}"


@pytest.fixture
def wire(s3_server, bucket, monkeypatch):
    """The connection to the S3 server, which a test may break."""
    with unreliable.proxy(urlsplit(s3_server["AWS_ENDPOINT_URL"]).port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        yield proxy
