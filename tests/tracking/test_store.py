import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.tracking import store


def test_importing_tracking_neither_imports_mlflow_nor_changes_the_environment():
    code = "import os, sys; before = dict(os.environ); from pipeline.tracking import registry, runs; "
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


def test_mlflow_is_told_neither_to_call_home_nor_to_unpickle_before_it_is_imported():
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run([sys.executable, "-c", IMPORTS_MLFLOW], check=True, env=clean, stdout=subprocess.PIPE)
    assert done.stdout.decode().split() == ["true", "false"]


def test_the_default_store_is_a_file_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store.address() == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///runs/x.db", "sqlite:///{here}/runs/x.db"),  # another process may stand in another folder
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_mlflow_tracking_uri_wins_over_the_default(given, used, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    monkeypatch.chdir(tmp_path)
    assert store.address() == used.format(here=tmp_path)


def test_artifacts_lie_beside_the_store(mlflow_store):
    location = Path(mlflow_store.removeprefix("sqlite:///")).with_name("mlartifacts")
    experiment = store.client(mlflow_store).get_experiment(store.experiment_id(mlflow_store, "tests"))
    assert experiment.artifact_location == location.as_uri()


def test_mlflow_experiment_name_wins_over_the_param(mlflow_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-the-environment")
    number = store.experiment_id(mlflow_store, "of-the-params")
    assert store.client(mlflow_store).get_experiment(number).name == "of-the-environment"


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(mlflow_store):
    number = store.experiment_id(mlflow_store, "gone")
    store.client(mlflow_store).delete_experiment(number)
    with pytest.raises(ValueError, match=rf"experiment gone .* deleted; restore it .*--experiment-id {number}"):
        store.experiment_id(mlflow_store, "gone")
