import shutil

import pytest

from stages import validate as stage
from tests.support import ROOT
from tests.support.tiny_dataset import make


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with params.yaml and a data set; returns the data set's manifest."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return make(stage.RAW)
