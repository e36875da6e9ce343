"""The files of registered models: what is uploaded with a version, and what is read back."""

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.files import source_code
from pipeline.files.redact import redact
from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel, Version
from pipeline.tracking import store
from pipeline.tracking.runs import Run

EVIDENCE = "evidence"
_ADDRESS = re.compile(r"models:/[^/@]+(@[^/@]+|/[0-9]+)")


def add(
    run: Run,
    model: RegisteredModel,
    folder: Path,
    options: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    evidence: Path,
    tags: Mapping[str, str],
) -> Version:
    """Make a trained model a version of `model`, with the evidence about it; return the version.

    The newest version with the same tag `fingerprint` is this very model: it only gets the evidence and the tags.

    Args:
        run: the training run, which the model becomes an output of.
        model: the registered model, created where it is missing; of the run's store.
        folder: the model's folder, as the train stage wrote it.
        options: of predict.load, by which it was evaluated and is to predict.
        metadata: what a user should know about the model; anything that JSON can hold.
        evidence: folder of files that lie beside the model from now on, whatever becomes of its run.
        tags: of the version; among them `fingerprint`, and `evidence`, which names the folder there.
    """
    version = versions.with_tag(model, "fingerprint", tags["fingerprint"])
    if version is None:
        version = _add_version(run, model, folder, options, metadata, evidence=evidence, tags=tags)
    elif version.tags.get("evidence") != tags["evidence"]:
        upload(version, evidence, f"{EVIDENCE}/{tags['evidence']}")
    versions.describe(version, tags)
    return versions.version(model, version.number)


def upload(version: Version, folder: Path, into: str) -> None:
    """Add the files of `folder` to those of a version, below its folder `into`."""
    store.client(version.model.uri).log_model_artifacts(version.model_id or "", str(folder), into)


@contextmanager
def evidence(version: Version, name: str | None) -> Iterator[Path]:
    """Yield a temporary folder with the evidence of a version that has this digest; empty where it is None.

    Raises:
        ValueError: the version does not have it.
    """
    with TemporaryDirectory() as folder:
        yield fetch(version, f"{EVIDENCE}/{name}", Path(folder)) if name else Path(folder)


def fetch(version: Version, path: str, into: Path) -> Path:
    """Copy a file or folder out of those of a version; return where it is, in `into`.

    Raises:
        ValueError: the version does not have it.
    """
    uri = version.model.uri
    store.select(uri)
    from mlflow import MlflowException, artifacts

    address = f"{version.address}/{path}"
    try:
        copy = artifacts.download_artifacts(address, dst_path=str(into), tracking_uri=uri, registry_uri=uri)
    except (MlflowException, OSError) as err:
        beside = f"version {version.number} of {version.model.name} in {uri}"
        raise ValueError(redact(f"expected {path} beside {beside}: {err}")) from err
    return Path(copy)


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
    store.select(uri)
    from mlflow import MlflowException, artifacts

    try:
        copy = artifacts.download_artifacts(
            f"{address}/artifacts", dst_path=str(into), tracking_uri=uri, registry_uri=uri
        )
    except (MlflowException, OSError) as err:
        raise ValueError(redact(f"expected a version {address} made by the register stage in {uri}: {err}")) from err
    return next(Path(copy).iterdir())


def served_code() -> dict[str, Path]:
    """Return the files of this program that the served model imports, by their path in a version's folder `code`."""
    files = source_code.imported_files("pipeline.inference.served_model")
    del files["pipeline.inference.served_model"]  # it lies beside the folder: MLflow starts from it
    return {path.relative_to(source_code.ROOT).as_posix(): path for path in files.values()}


def options(uri: str, address: str) -> dict[str, Any]:
    """Return the options of predict.load that a version was registered with; `address` as for `download`."""
    store.select(uri)
    import mlflow

    return dict(mlflow.models.get_model_info(address).flavors["python_function"]["config"]["serving"])


def _add_version(
    run: Run,
    model: RegisteredModel,
    folder: Path,
    options: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    evidence: Path,
    tags: Mapping[str, str],
) -> Version:
    """Upload the model with all it needs to be served where this repository is absent, and register that."""
    store.select(run.uri)
    import mlflow

    from pipeline.inference import served_model  # here, since it imports MLflow

    script = Path(served_model.__file__)
    with TemporaryDirectory() as temporary, mlflow.start_run(run.run_id):
        package = Path(temporary, "pipeline")
        for name, file in served_code().items():
            (Path(temporary) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, Path(temporary) / name)
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
    store.client(run.uri).log_model_artifacts(info.model_id, str(evidence), f"{EVIDENCE}/{tags['evidence']}")
    entity = mlflow.register_model(info.model_uri, model.name, tags=dict(tags))  # last: a version is complete at once
    return versions.version(model, str(entity.version))
