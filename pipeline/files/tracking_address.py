"""What MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI may be; each stage has both checked before it works."""

import os
import re
from importlib.metadata import entry_points
from urllib.parse import unquote, urlsplit

from pipeline.files.http_address import is_http, shown

VARIABLE = "MLFLOW_TRACKING_URI"
REGISTRY = "MLFLOW_REGISTRY_URI"
SQLITE = "sqlite:///"
_UNSET = {
    VARIABLE: "mlflow.db of the repository is used then",
    REGISTRY: f"models are registered in the store of {VARIABLE} then",
}
_DATABASE = re.compile(r"(postgresql|mysql|mssql)(\+\w+)?://\S+")
_DATABRICKS = re.compile(r"(databricks|databricks-uc|uc)(:.*)?")  # MLflow 3.17 registers databricks' in databricks-uc


def check_tracking_address(uri: str) -> None:
    """Raise ValueError if runs or models could not be kept there in MLflow 3.17.

    Args:
        uri: the value of MLFLOW_TRACKING_URI; empty is as unset. MLFLOW_REGISTRY_URI, whose store gets the models if it
            is set, is checked too: training would be lost on a registry that refuses its model.
    """
    for name, given in ((VARIABLE, uri), (REGISTRY, os.environ.get(REGISTRY, ""))):
        if _DATABRICKS.fullmatch(given):
            raise ValueError(
                f"expected {name} to name a store whose registry has aliases and finds versions by their tags, got "
                f"{shown(given)}: Unity Catalog, where MLflow 3 registers models, cannot search, and Databricks' "
                "workspace registry has no aliases; set it to http://HOST:PORT or https://HOST of an MLflow server, or "
                f"unset it: {_UNSET[name]}"
            )
        if given.startswith(SQLITE):
            _check_file(name, given)
        if given and not _is_store(given):
            raise ValueError(
                f"expected {name} to be http://HOST:PORT, https://HOST, sqlite:///FILE or the address of a database "
                "(postgresql://, mysql://, mssql://), or with MLFLOW_ALLOW_FILE_STORE=true a folder, got "
                f"{shown(given)}; correct it, or unset it: {_UNSET[name]}"
            )


def _check_file(name: str, uri: str) -> None:
    """Refuse what SQLAlchemy takes behind sqlite:/// beside a file's path, and this program for part of its name."""
    file, has_options, _ = uri.partition("?")
    if has_options:
        raise ValueError(
            f"expected {name} to be {SQLITE}FILE without options, which are not passed on, got ? behind "
            f"{shown(file)}; leave it and what follows out, or write a ? of the file's name as %3F"
        )
    if unquote(file) == f"{SQLITE}:memory:":
        raise ValueError(
            f"expected {name} to be {SQLITE}FILE, got {uri}, a store that would end with each stage; name a file, or "
            f"unset it: {_UNSET[name]}"
        )


def _is_store(uri: str) -> bool:
    if is_http(uri) or _DATABASE.fullmatch(uri) or (uri.startswith(SQLITE) and uri != SQLITE):
        return True
    return (_is_folder(uri) and _takes_folders()) or _is_of_a_plugin(uri)


def is_of_this_machine(uri: str) -> bool:
    """Return whether the address of a store is a file's or a folder's, which other machines do not have."""
    return uri.startswith((SQLITE, "file:")) or "://" not in uri


def _is_folder(uri: str) -> bool:
    """Return whether an address is a folder's: a path, or file:. By host:port, host@ and http//host none is meant."""
    if uri.startswith("file:"):
        return urlsplit(uri).netloc in ("", "localhost")
    return uri.startswith(("/", "./", "../")) or re.search("[:@]|//", uri) is None


def _takes_folders() -> bool:
    """Return what MLflow reads from its variable: 3.17 refuses folders as stores otherwise."""
    return os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1")


def _is_of_a_plugin(uri: str) -> bool:
    """Return whether an installed package has registered a store for the address's scheme, as Amazon's for arn:."""
    return uri.partition(":")[0] in {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}
