"""Copies of registered models' folders, from MLflow's registry."""

import re
from pathlib import Path

from pipeline.files.redact import redact
from pipeline.tracking import store

_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/[0-9]+)")


def download(uri: str, address: str, into: Path) -> Path:
    """Copy the model's folder from a registered version; return the path of the copy, in `into`.

    Args:
        uri: the store's.
        address: models:/<name>@<alias> or models:/<name>/<number>.
        into: an existing empty folder.

    Raises:
        ValueError: the address is malformed, there is no such version, or the register stage did not make it.
    """
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"expected models:/<name>@<alias> or models:/<name>/<number>, got {address}")
    store.select(uri)
    from mlflow import MlflowException, artifacts

    try:
        copy = artifacts.download_artifacts(f"{address}/artifacts", dst_path=str(into), tracking_uri=uri)
    except (MlflowException, OSError) as err:
        what = f"expected a version {address} made by the register stage in {uri}: {err}"
        raise ValueError(f"{redact(what)}; correct the address, or register the model again") from err
    return next(Path(copy).iterdir())


def fetch(address: str, into: Path) -> tuple[Path, str]:
    """Copy the model's folder from a version that is registered now in the store of `store.address`.

    Args:
        address: models:/<name>@<alias> or models:/<name>/<number>.
        into: an existing empty folder.

    Returns:
        The path of the copy, in `into`, and models:/<name>/<number>: an alias may move meanwhile.

    Raises:
        ValueError: as for `download`.
        UnreachableError: a ValueError; the store does not answer.
    """
    uri = store.address()
    with store.reached(uri):
        numbered = _numbered(uri, address)
        return download(uri, numbered, into), numbered


def _numbered(uri: str, address: str) -> str:
    """Return the address with the version's number, where it has an alias."""
    parts = _ADDRESS.fullmatch(address)
    if parts is None or parts["alias"] is None:
        return address
    client = store.client(uri)
    from mlflow import MlflowException

    try:
        version = client.get_model_version_by_alias(parts["name"], parts["alias"])
    except MlflowException as err:
        if err.error_code not in store.NOT_THERE:
            raise
        raise ValueError(
            redact(f"expected a version {address} made by the register stage in {uri}, got none; correct the address")
        ) from err
    return f"models:/{parts['name']}/{version.version}"
