"""The link between a version and the model that its training started from."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.artifacts.spec import read_spec
from pipeline.files.digest import file_sha256
from pipeline.registry.verify_errors import AbsentError, agree
from pipeline.tracking import registered


def check(source: Mapping[str, Any] | None, named: str | None, uri: str, root: Path) -> str:
    """Return in words what was compared: the weights that a training started from, with those that are there now.

    Args:
        source: what the training recorded of the model that it started from; None: it started from none.
        named: the param model.start_from of the training.
        uri: the store that holds the registry.
        root: the working tree, which a folder's path is relative to.

    Raises:
        AbsentError: the model is not available; of a version, also if that of its number is another model altogether.
        BrokenError: it has other weights or other classes, or comes from another training.
    """
    if source is None:
        agree("model.start_from of a training that started from no model", None, named)
        return "no model"
    if source["version"] is None:
        return _compare(source, root / Path(str(named)).expanduser(), str(named))
    with TemporaryDirectory() as temporary:
        try:
            folder = registered.download(uri, source["version"], Path(temporary))
        except ValueError as err:
            raise AbsentError(f"{source['version']} was deleted, or is in another store: {err}") from err
        _check_same_store(source, folder)
        return _compare(source, folder, source["version"])


def _check_same_store(source: Mapping[str, Any], folder: Path) -> None:
    """Raise AbsentError if both weights and training are others: stores count their versions alike."""
    weights, run = folder / "model.safetensors", read_spec(folder).run
    if run != source["run"] and weights.exists() and file_sha256(weights) != source["sha256"]:
        raise AbsentError(
            f"{source['version']} of this store is the model of training {run}; that of {source['run']}, which the "
            "training started from, is in another store, or was replaced"
        )


def _compare(source: Mapping[str, Any], folder: Path, name: str) -> str:
    weights = folder / "model.safetensors"
    if not weights.exists():
        raise AbsentError(f"{name}, the model that the training started from, is not on this machine")
    what, spec = f"of {name}, from which the training started,", read_spec(folder)
    agree(f"the SHA-256 of the weights {what}", source["sha256"], file_sha256(weights))
    agree(f"the network {what}", source.get("network", spec.network), spec.network)  # earlier programs recorded none
    agree(f"the classes {what}", source["classes"], list(spec.classes.names))
    agree(f"the training {what}", source["run"], spec.run)
    return f"{name}, SHA-256 {source['sha256'][:16]}"
