from functools import cache

import pytest

from pipeline.artifacts.spec import read_spec
from pipeline.registry.versions import RegisteredModel
from tests.support import project as tree, stores


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """Return a function that makes a working tree with a store of versions of so many hits each, once for all tests."""

    @cache
    def original(*hits):
        folder = tmp_path_factory.mktemp("original") / "tree"
        with pytest.MonkeyPatch.context() as patch:
            if hits[1:]:
                tree.copy(original(*hits[:-1]), folder)
            else:
                folder.mkdir()
                stores.sqlite(folder)
            patch.chdir(folder)
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
            spec = read_spec(tree.stage.MODEL) if hits[1:] else tree.make("copied")
            tree.registered(tree.named(spec, "abc"[len(hits) - 1]), hits[-1])
        return folder

    return original


@pytest.fixture
def registered(originals, tmp_path, monkeypatch):
    """Return a function that gives the test a registered model whose versions have so many hits each.

    The current folder becomes their working tree, as the stage left it after the last one.
    """

    def start(*hits):
        tree.copy(originals(*hits), tmp_path / "tree")
        monkeypatch.chdir(tmp_path / "tree")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri := f"sqlite:///{tmp_path}/tree/mlflow.db")
        return RegisteredModel(uri, "segnet-copied")

    return start
