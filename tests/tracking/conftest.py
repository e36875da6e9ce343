import pytest

from tests.support.absent import Switch


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a new folder the current one, as a training's is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def switch(mlflow_store, project, monkeypatch):
    return Switch(monkeypatch)
