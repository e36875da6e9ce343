"""Where MLflow keeps its records, and the one way to reach it: MLflow is imported here when it is first needed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",  # MLflow understands this word only
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def address() -> str:
    """Return MLFLOW_TRACKING_URI, or mlflow.db in the current folder; an sqlite path is made absolute."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    return f"{_SQLITE}{Path(uri.removeprefix(_SQLITE)).absolute()}" if uri.startswith(_SQLITE) else uri


def configure() -> None:
    """Switch off MLflow's calls home, unpickling and chatter; MLflow reads these settings while it is imported."""
    os.environ.update(_SETTINGS)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")


def client(uri: str) -> "MlflowClient":
    """Return MLflow's client of the store `uri`; whoever imports mlflow calls this first."""
    configure()
    from mlflow import MlflowClient

    return MlflowClient(uri)


def experiment_id(uri: str, name: str) -> str:
    """Return the id of the experiment MLFLOW_EXPERIMENT_NAME, or else `name`, which is created where it is missing.

    The artifacts of an experiment created in an sqlite store lie in mlartifacts beside its file.

    Raises:
        ValueError: the experiment was deleted.
    """
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or name
    experiment = client(uri).get_experiment_by_name(name)
    if experiment is None:
        local = uri.startswith(_SQLITE)  # a server places artifacts itself
        place = Path(uri.removeprefix(_SQLITE)).with_name("mlartifacts").as_uri() if local else None
        return client(uri).create_experiment(name, place)
    if experiment.lifecycle_stage == "deleted":
        raise ValueError(
            f"expected an experiment {name} in {uri}, got one that was deleted; restore it "
            f"(mlflow experiments restore --experiment-id {experiment.experiment_id}) or choose another name"
        )
    return str(experiment.experiment_id)
