"""The files of registered models: what is uploaded with a version, and what is read back."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.files import source_code
from pipeline.files.digest import file_sha256
from pipeline.files.redact import redact
from pipeline.registry import file_record, versions
from pipeline.registry.versions import RegisteredModel, Version
from pipeline.tracking import store
from pipeline.tracking.registered import download as download  # part of this module's interface
from pipeline.tracking.runs import Run

EVIDENCE = file_record.EVIDENCE


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
    """Register a trained model as a version of `model`, with its evidence; return the version.

    A version with the same tag `fingerprint` is this very model: the newest such one just gets the evidence and the
    tags, unless a file of it was changed since, or the code that serves: its scores would be those of other code.

    Args:
        run: the training run, of which the model becomes an output.
        model: the registered model, in the run's store; created if it is missing.
        folder: the model's folder, as written by the train stage.
        options: of predict.load, with which it was evaluated and will predict.
        metadata: what a user should know about the model; any JSON value.
        evidence: folder of files to keep beside the model, whatever happens to its run.
        tags: of the version; they include `fingerprint`, and `evidence`, the name of the evidence's folder there.
    """
    version = versions.with_tag(model, "fingerprint", tags["fingerprint"])
    is_same = version is not None and version.tags.get("evidence") == tags["evidence"]
    if version is None or not _is_intact(version) or not (is_same or _serves_this_code(version)):
        version = _add_version(run, model, folder, options, metadata, evidence=evidence, tags=tags)
    elif version.tags.get("evidence") != tags["evidence"]:
        upload(version, evidence, f"{EVIDENCE}/{tags['evidence']}")
    versions.describe(version, {key: value for key, value in tags.items() if version.tags.get(key) != value})
    return versions.version(model, version.number)


def check(version: Version) -> None:
    """Compare all files of a version with their record (file_record.py); one of an earlier program has none.

    Raises:
        ValueError: a file was changed, removed or added.
    """
    if file_record.TAG not in version.tags:
        return
    with TemporaryDirectory() as temporary:
        try:
            file_record.check(fetch(version, "", Path(temporary)), version.tags, ())
        except ValueError as err:
            raise ValueError(
                f"version {version.number} of {version.model.name} is not what was registered: {err}; restore its "
                "files from a backup, or register the model again: dvc repro --force --single-item register"
            ) from err


def _is_intact(version: Version) -> bool:
    try:
        check(version)
    except ValueError:
        return False
    return True


def _serves_this_code(version: Version) -> bool:
    """Return whether a version predicts by the code that is here, which the scores come from."""
    with TemporaryDirectory() as temporary:
        try:
            root = fetch(version, "code", Path(temporary))
        except ValueError:  # it has none
            return False
        theirs = {path.relative_to(root).as_posix(): file_sha256(path) for path in root.rglob("*.py")}
    return theirs == {name: file_sha256(path) for name, path in served_code().items()}


def upload(version: Version, folder: Path, into: str) -> None:
    """Add the files of `folder` to those of a version, in its folder `into`."""
    store.client(version.model.uri).log_model_artifacts(version.model_id, str(folder), into)


@contextmanager
def evidence(version: Version, name: str | None) -> Iterator[Path]:
    """Yield a temporary folder with the evidence of a version that has the digest `name`; empty if that is None.

    Raises:
        ValueError: the version does not have it, or it was changed.
    """
    with TemporaryDirectory() as temporary:
        folder = fetch(version, f"{EVIDENCE}/{name}", Path(temporary)) if name else Path(temporary)
        if name and (actual := file_record.evidence_name(folder)) != name:
            raise ValueError(
                f"expected the evidence of version {version.number} of {version.model.name} to have the digest {name}, "
                f"got {actual}: a file of it was changed, added or removed; restore it from a backup of the store"
            )
        yield folder


def fetch(version: Version, path: str, into: Path) -> Path:
    """Copy a file or folder from those of a version; return the path of the copy, in `into`.

    Raises:
        ValueError: the version does not have it.
    """
    uri = version.model.uri
    store.select(uri)
    from mlflow import MlflowException, artifacts

    address = f"{version.address}/{path}"
    try:
        copy = artifacts.download_artifacts(address, dst_path=str(into), tracking_uri=uri)
    except (MlflowException, OSError) as err:
        owner = f"version {version.number} of {version.model.name} in {uri}"
        raise ValueError(redact(f"expected {path} beside {owner}: {err}")) from err
    if Path(copy).is_dir() and not any(Path(copy).iterdir()):
        raise ValueError(
            f"expected {path or 'the files'} of version {version.number} of {version.model.name}, got no files: they "
            "were moved or removed; put the folder of artifacts back: of an sqlite store, mlartifacts beside its file"
        )
    return Path(copy)


@contextmanager
def located(address: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder of a model (artifacts/model.py) and the options of predict.load that it was registered with.

    Args:
        address: the folder itself, which has no options; or as in `download`, of the store that MLFLOW_TRACKING_URI
            names. The copy of a registered version is removed afterwards.

    Raises:
        ValueError: there is no such registered version.
    """
    if not address.startswith("models:"):
        yield Path(address), {}
        return
    with TemporaryDirectory() as temporary:
        uri = store.address()
        yield download(uri, address, Path(temporary)), options(uri, address)


def served_code() -> dict[str, Path]:
    """Return the files of this program that the served model imports, by path in a version's folder `code`."""
    files = source_code.imported_files("pipeline.inference.served_model")
    del files["pipeline.inference.served_model"]  # kept beside that folder: MLflow starts from it
    return {path.relative_to(source_code.ROOT).as_posix(): path for path in files.values()}


def options(uri: str, address: str) -> dict[str, Any]:
    """Return the options of predict.load that a version was registered with; `address` is as in `download`.

    Raises:
        ValueError: there is no such version, or the register stage did not make it.
    """
    store.select(uri)
    import mlflow

    try:
        with TemporaryDirectory() as temporary:  # in which Model.load(address) would leave it
            path = mlflow.artifacts.download_artifacts(f"{address}/MLmodel", dst_path=temporary, tracking_uri=uri)
            return dict(mlflow.models.Model.load(path).flavors["python_function"]["config"]["serving"])
    except (mlflow.MlflowException, OSError, LookupError, TypeError) as err:
        raise ValueError(redact(f"expected a version {address} made by the register stage in {uri}: {err}")) from err


def _block_bytecode(folder: Path) -> None:
    """Write a file where Python would keep the bytecode of each folder of code in a version's folder.

    MLflow loads a version from where it lies if that is this machine: bytecode would be an added file there.
    """
    for name in {Path(), *(Path("code", name).parent for name in served_code())}:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / file_record.BYTECODE).write_text("a file, so that loading adds no bytecode here\n")


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Keep Python from writing bytecode: MLflow imports the code of a model before it uploads its folder."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


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
    """Upload the model with all that serving needs where this repository is absent, and register it."""
    store.select(run.uri)
    import mlflow

    from pipeline.inference import served_model  # imported here since it imports MLflow

    script = Path(served_model.__file__)
    with _without_bytecode(), TemporaryDirectory() as temporary, mlflow.start_run(run.run_id):
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
    client = store.client(run.uri)
    with TemporaryDirectory() as temporary:
        _block_bytecode(Path(temporary))
        client.log_model_artifacts(info.model_id, temporary)
    with TemporaryDirectory() as temporary:
        copy, path = mlflow.artifacts.download_artifacts(info.model_uri, dst_path=temporary), sys.path.copy()
        record = {file_record.TAG: file_record.write(Path(copy), Path(temporary))}
        client.log_model_artifact(info.model_id, str(Path(temporary, file_record.FILE)))
        mlflow.pyfunc.load_model(copy).predict(served_model.example())  # MLflow itself only warns if this fails
        sys.path[:] = path  # loading put the model's copy of our code first
    client.log_model_artifacts(info.model_id, str(evidence), f"{EVIDENCE}/{tags['evidence']}")
    # Last: a version is never incomplete.
    entity = mlflow.register_model(info.model_uri, model.name, tags={**tags, **record})
    return versions.version(model, str(entity.version))
