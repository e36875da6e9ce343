"""Whether an MLflow store does all that is asked of it: tried with a run, a large file, a version and an alias."""

import time
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from pipeline.files.digest import file_sha256
from pipeline.tracking import store

NAME = "segnet-doctor"
"""Of the experiment in which the run is made; also the start of the registered model's name."""
_FILE = "trial.bin"
_MEBIBYTE = 2**20


def round_trip(uri: str, megabytes: int) -> str:
    """Write and read back a run with a file of so many MiB, and a registered version with an alias; say how long.

    All of it is removed afterwards, as far as MLflow removes things: the deleted run stays in the store's table until
    `mlflow gc`, without its file.

    Raises:
        ValueError: what is read back differs, or the user is refused.
        UnreachableError: a ValueError; the store or its storage does not answer.
    """
    with store.reached(uri), TemporaryDirectory() as folder:
        store.probe(uri)
        client = store.client(uri)
        experiment = store.experiment_id(uri, NAME)
        run = client.create_run(experiment)
        model = f"{NAME}-{token_hex(4)}"
        try:
            sent, fetched = _file_there_and_back(uri, run.info.run_id, Path(folder), megabytes)
            client.create_registered_model(model)
            client.create_model_version(model, run.info.artifact_uri, run_id=run.info.run_id)
            client.set_registered_model_alias(model, "trial", "1")
            if str(client.get_model_version_by_alias(model, "trial").version) != "1":
                raise ValueError("expected the alias of a version that was just made, got another; look at the server")
        finally:
            _remove(uri, run.info.run_id, run.info.artifact_uri, model)
    return f"a run, {megabytes} MiB sent in {sent:.1f} s and fetched in {fetched:.1f} s, a version and its alias"


def _file_there_and_back(uri: str, run_id: str, folder: Path, megabytes: int) -> tuple[float, float]:
    """Return the seconds that it took to send and to fetch a file."""
    path, client = folder / _FILE, store.client(uri)
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(token_hex(_MEBIBYTE // 2).encode())
    begin = time.monotonic()
    client.log_artifact(run_id, str(path))
    middle = time.monotonic()
    (folder / "back").mkdir()
    copy = Path(client.download_artifacts(run_id, _FILE, str(folder / "back")))
    end = time.monotonic()
    if file_sha256(copy) != file_sha256(path):
        raise ValueError("expected the file that was sent, got another; look at the server's storage")
    return middle - begin, end - middle


def _remove(uri: str, run_id: str, artifacts: str, model: str) -> None:
    store.select(uri)
    from mlflow import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client = store.client(uri)
    for remove in (
        lambda: client.delete_registered_model(model),
        lambda: get_artifact_repository(artifacts, tracking_uri=uri).delete_artifacts(_FILE),
        lambda: client.delete_run(run_id),
    ):
        try:
            remove()
        except (MlflowException, NotImplementedError):  # it was not made, or the storage has no such request
            continue
