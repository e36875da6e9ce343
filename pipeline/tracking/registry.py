"""MLflow's model registry: versions of a model, with tags, and the aliases that say which one reigns."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.tracking import store
from pipeline.tracking.runs import Run

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER, PREVIOUS_CHAMPION = "champion", "challenger", "previous_champion"
_ADDRESS = re.compile(r"models:/[^/@]+(@[^/@]+|/[0-9]+)")
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such model; a model without such an alias
_LONGEST_DESCRIPTION = 5000  # characters; the width of MLflow's column


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    number: str
    tags: Mapping[str, str]
    run_id: str | None = None
    """The training run that it is an output of, if any."""


def with_alias(uri: str, model: str, alias: str) -> Version | None:
    """Return the version of `model` that bears `alias`, or None."""
    client = store.client(uri)
    from mlflow import MlflowException

    try:
        found = client.get_model_version_by_alias(model, alias)
    except MlflowException as err:
        if err.error_code in _NOT_THERE:
            return None
        raise
    return _version(found)


def with_tag(uri: str, model: str, key: str, value: str) -> Version | None:
    """Return the newest version of `model` whose tag `key` is `value`, or None."""
    found = store.client(uri).search_model_versions(f"name = '{model}' and tag.{key} = '{value}'")
    newest = max(found, key=lambda version: int(version.version), default=None)
    return None if newest is None else _version(newest)


def register(
    run: Run,
    model: str,
    folder: Path,
    options: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    tags: Mapping[str, str],
    description: str,
) -> str:
    """Make a model a version of `model` and describe it; return its number.

    The newest version with the same tag `fingerprint` is this very model: it is only described anew.

    Args:
        run: the training run, which the model becomes an output of.
        model: name of the registered model, created where it is missing.
        folder: the model's folder, as the train stage wrote it.
        options: of predict.load, by which it was evaluated and is to predict.
        metadata: what a user should know about the model; anything that JSON can hold.
        tags: of the version; `fingerprint` among them.
        description: of the version; cut where MLflow cannot keep it whole.
    """
    client = store.client(run.uri)
    known = with_tag(run.uri, model, "fingerprint", tags["fingerprint"])
    number = known.number if known else _add_version(run, model, folder, options, metadata, tags=tags)
    for key, value in tags.items():
        client.set_model_version_tag(model, number, key, value)
    client.update_model_version(model, number, description[:_LONGEST_DESCRIPTION])
    return number


def set_alias(uri: str, model: str, alias: str, number: str) -> None:
    """Give `alias` to a version of `model`, and take it from the one that had it."""
    store.client(uri).set_registered_model_alias(model, alias, number)


def crown(uri: str, model: str, number: str) -> None:
    """Make a version champion, and the one that was it previous_champion."""
    reigning = with_alias(uri, model, CHAMPION)
    if reigning is not None and reigning.number != number:
        set_alias(uri, model, PREVIOUS_CHAMPION, reigning.number)
    set_alias(uri, model, CHAMPION, number)


def download(uri: str, address: str, into: Path) -> Path:
    """Copy the model's folder out of a registered version; return where it is, in `into`.

    Args:
        uri: of the store.
        address: models:/<name>@<alias> or models:/<name>/<number>.
        into: an existing empty folder.

    Raises:
        ValueError: not such an address; or there is no such version, or none that the register stage made.
    """
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"expected models:/<name>@<alias> or models:/<name>/<number>, got {address}")
    store.client(uri)
    from mlflow import MlflowException, artifacts

    try:
        found = artifacts.download_artifacts(
            f"{address}/artifacts", dst_path=str(into), tracking_uri=uri, registry_uri=uri
        )
    except MlflowException as err:
        if err.error_code in _NOT_THERE:
            raise ValueError(f"expected a version {address} made by the register stage in {uri}: {err}") from err
        raise
    return next(Path(found).iterdir())


@contextmanager
def run_files(uri: str, version: Version, names: Iterable[str]) -> Iterator[Path]:
    """Yield a temporary folder with files of a version's training run; what the run does not hold is left out."""
    client, run_id = store.client(uri), version.run_id or ""
    with TemporaryDirectory() as folder:
        for name in _held(uri, run_id).intersection(names):
            client.download_artifacts(run_id, name, folder)
        yield Path(folder)


def options(uri: str, address: str) -> dict[str, Any]:
    """Return the options of predict.load that a version was registered with; `address` as for `download`."""
    store.client(uri)
    import mlflow

    mlflow.set_tracking_uri(uri)  # the function below knows no other way to be told
    return dict(mlflow.models.get_model_info(address).flavors["python_function"]["config"]["serving"])


def _held(uri: str, run_id: str) -> set[str]:
    """Return the files at the root of a run's artifacts; none where there is no such run."""
    client = store.client(uri)
    from mlflow import MlflowException

    try:
        return {file.path for file in client.list_artifacts(run_id)}
    except MlflowException as err:
        if err.error_code in _NOT_THERE:
            return set()
        raise


def _version(found: "ModelVersion") -> Version:
    return Version(str(found.version), found.tags, found.run_id or None)


def _add_version(
    run: Run,
    model: str,
    folder: Path,
    options: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    tags: Mapping[str, str],
) -> str:
    """Upload the model with all it needs to be served where this repository is absent, and register that."""
    import mlflow

    from pipeline import served_model  # here, since it imports MLflow

    mlflow.set_tracking_uri(run.uri)  # the functions below know no other way to be told
    script = Path(served_model.__file__)
    with TemporaryDirectory() as temporary, mlflow.start_run(run.run_id):
        package = Path(temporary, "pipeline")
        for name in served_model.CODE:
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(script.parent / name, package / name)
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(script),
            artifacts={"model": str(folder)},
            code_paths=[str(package)],
            model_config={"serving": dict(options)},
            signature=served_model.signature(),
            input_example=served_model.example(),
            pip_requirements=served_model.requirements(),
            metadata=json.loads(json.dumps(metadata)),  # MLflow's YAML has no tuples
        )
    path = sys.path.copy()
    mlflow.pyfunc.load_model(info.model_uri).predict(served_model.example())  # MLflow only warns where this fails
    sys.path[:] = path  # the copy of our code inside the model came first on it
    return str(mlflow.register_model(info.model_uri, model, tags=dict(tags)).version)
