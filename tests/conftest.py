"""What every test may rely on."""

import pytest

from pipeline.tracking import store

# A user's own settings: a test that followed them would write to that user's server, or join that user's cluster.
SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_RUN_ID",
    "RAY_ADDRESS",
    "SEGNET_MIRROR",
)

store.configure()  # before anything imports MLflow, such as the conftest of a room


def pytest_collection_modifyitems(items):
    """Begin with the longest, so that of several processes none is left alone with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)


@pytest.fixture(autouse=True)
def without_user_settings(monkeypatch):
    """Hide the environment variables that name servers, clusters and mirrors."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def mlflow_file(tmp_path_factory):
    """The address of an MLflow store that all tests share: to create its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def mlflow_store(mlflow_file, monkeypatch, without_user_settings):
    """The address of an MLflow store, which MLFLOW_TRACKING_URI names during the test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_file)
    return mlflow_file
