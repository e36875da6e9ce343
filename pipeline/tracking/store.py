"""The MLflow tracking store and the only access to it; MLflow is imported here when it is first needed."""

import logging
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from pipeline.files import locks, repository
from pipeline.files.redact import redact
from pipeline.files.tracking_address import SQLITE, VARIABLE, check_tracking_address, is_of_this_machine
from pipeline.tracking import moved
from pipeline.tracking.reached import (
    LOGIN,
    UnreachableError as UnreachableError,  # part of this module's interface
    reached as reached,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow calls it that there is no such model, or no such alias of a model."""
_HTTP = ("http://", "https://")
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",  # MLflow accepts only this value
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a command's output may be JSON
}
# The user's own settings take precedence.
_DEFAULTS = {
    "MLFLOW_CONFIGURE_LOGGING": "false",  # its warnings then pass through files/log.py
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # with MLflow's default, 7, and pauses, a call fails after four minutes
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
# What MLflow's UI calls machine learning, in place of language models; its views still depend on the address (3.17).
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_DRIVERS = {
    "postgresql": ", as in postgresql+psycopg2:// (pip install psycopg2-binary)",
    "mysql": ", as in mysql+pymysql:// (pip install PyMySQL)",
    "mssql": ", as in mssql+pymssql:// (pip install pymssql)",
}
_PROBE_SECONDS = 5  # a call's own timeout, two minutes, must suffice for an upload


def address() -> str:
    """Return MLFLOW_TRACKING_URI, or else mlflow.db in the repository's folder; an sqlite path is made absolute.

    A server's address is returned without its user and password, which are moved to where MLflow looks for them, so
    that no message or file can contain them.

    Raises:
        ValueError: MLFLOW_TRACKING_URI is no store's address, or is not set, and the current folder is no repository's.
    """
    check_tracking_address(given := os.environ.get(VARIABLE, ""))
    uri = given or _sqlite(_own())
    if uri.startswith(SQLITE):
        return _sqlite(_file(uri).absolute())
    parts = urlsplit(uri)
    if uri.startswith(_HTTP) and parts.username and parts.password:
        os.environ.update(zip(LOGIN, (unquote(parts.username), unquote(parts.password)), strict=True))
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return uri


def run_address() -> str:
    """Return `address`, which must be a server's if RAY_ADDRESS names a cluster.

    Raises:
        ValueError: it is a file's.
    """
    uri = address()
    if is_of_this_machine(uri) and os.environ.get("RAY_ADDRESS"):
        raise ValueError(
            f"expected MLFLOW_TRACKING_URI to name a server where RAY_ADDRESS names a cluster, got {uri}, a "
            "file of this machine, from which no other can promote; start one (mlflow server), or unset RAY_ADDRESS"
        )
    return uri


def _own() -> Path:
    """Return the file of the repository's own store; in another folder MLflow would make an empty one."""
    path = repository.root() / "mlflow.db"
    if not path.exists():
        repository.checked_root(otherwise=", or set MLFLOW_TRACKING_URI to the store")
    return path


def _sqlite(path: Path) -> str:
    """Return the address of an sqlite file.

    Only what an address cannot hold is quoted: MLflow 3.17 makes the file's folder by its quoted name too
    (mlflow/store/db/utils.py), and would leave an empty a%20b beside a folder `a b`.
    """
    return SQLITE + re.sub("[%?#]", lambda reserved: quote(reserved[0]), str(path))


def _file(uri: str) -> Path:
    """Return the file of an sqlite store: in its address, as in every address, %2F stands for a character."""
    return Path(unquote(uri.removeprefix(SQLITE)))


def configure() -> None:
    """Disable MLflow's telemetry, unpickling, console output and long waits; it reads these settings on import."""
    os.environ.update(_SETTINGS)
    for key, value in _DEFAULTS.items():
        os.environ.setdefault(key, value)
    for name in ("mlflow.store.db.utils", "mlflow.models.model"):
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Return False of what MLflow 3.17 logs without need.

    It logs a database's error with its traceback, and then raises it; and it warns where a run that registers a second
    model already has the options of the first among its params.
    """
    return not str(record.msg).startswith(("SQLAlchemy database error.", "Failed to log model config as params"))


def client(uri: str) -> "MlflowClient":
    """Return an MLflow client of the store `uri`; call this before importing mlflow.

    Raises:
        ValueError: the driver of its database is not installed.
    """
    configure()
    from mlflow import MlflowClient

    if uri.startswith(SQLITE):
        _prepare(uri)
    try:
        return MlflowClient(uri)
    except ModuleNotFoundError as err:  # by SQLAlchemy
        raise ValueError(
            f"expected the driver of the store {redact(uri)}, got {err}; install it beside this program, or name "
            f"another in the address{_DRIVERS.get(uri.partition(':')[0].partition('+')[0], '')}"
        ) from err


@cache
def _prepare(uri: str) -> None:
    """Let MLflow create an sqlite store's missing tables, one process at a time; if the store was moved, follow it.

    MLflow 3.17 does not lock this (mlflow/store/tracking/sqlalchemy_store.py): of experiments that start at once with a
    new store, most fail. A server creates its tables before it answers.
    """
    from mlflow import MlflowClient

    folder = _file(uri).parent
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ValueError(f"expected the store {uri} in a folder, got {folder}, which {what}; correct the address")
    with locks.held(folder):
        MlflowClient(uri).search_experiments(max_results=1)
        moved.follow(_file(uri))


def select(uri: str) -> None:
    """Make `uri` the default store of MLflow's own functions, some of which take it in no other way."""
    configure()
    import mlflow

    mlflow.set_tracking_uri(uri)


def probe(uri: str) -> None:
    """Raise MLflow's error unless the server answers within seconds, with any status; an sqlite file is not probed."""
    configure()
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    if uri.startswith(_HTTP):
        http_request(get_default_host_creds(uri), "/health", "GET", timeout=_PROBE_SECONDS, max_retries=0)


def experiment_name(name: str) -> str:
    """Return MLFLOW_EXPERIMENT_NAME if set, else `name`."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or name


def experiment_id(uri: str, name: str) -> str:
    """Return the id of the experiment `name`, which is created if missing.

    The artifacts of an experiment in an sqlite store are kept in a folder beside its file.

    Raises:
        ValueError: the experiment was deleted.
    """
    experiment = client(uri).get_experiment_by_name(name)
    if experiment is None:
        local = uri.startswith(SQLITE)  # a server chooses the artifact location itself
        location = _file(uri).with_name(moved.ARTIFACTS).as_uri() if local else None
        from mlflow import MlflowException

        try:
            return client(uri).create_experiment(name, location, _KIND)
        except MlflowException as err:
            if err.error_code != "RESOURCE_ALREADY_EXISTS":  # created by another process in the meantime
                raise
            return experiment_id(uri, name)
    if experiment.lifecycle_stage == "deleted":
        raise ValueError(
            f"expected an experiment {name} in {redact(uri)}, got a deleted one; restore it "
            f"(mlflow experiments restore --experiment-id {experiment.experiment_id}) or choose another name"
        )
    for key, value in _KIND.items():
        if key not in experiment.tags:  # of an earlier program; whoever changed it wants it so
            client(uri).set_experiment_tag(experiment.experiment_id, key, value)
    return str(experiment.experiment_id)
