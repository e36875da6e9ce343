"""What MLFLOW_TRACKING_URI may be; tracking/store.py uses it, and each stage has it checked before it works."""

import os
import re
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from pipeline.files.http_address import is_http, shown

VARIABLE = "MLFLOW_TRACKING_URI"
SQLITE = "sqlite:///"
_DATABRICKS = "databricks"  # of the default profile; others are databricks://profile
_ELSEWHERE = re.compile(rf"(postgresql|mysql|mssql)(\+\w+)?://\S+|{_DATABRICKS}(://\S+)?")


def check_tracking_address(uri: str) -> None:
    """Raise ValueError if the value of MLFLOW_TRACKING_URI names no store that MLflow 3.17 takes; empty is as unset."""
    if not uri or is_http(uri) or _ELSEWHERE.fullmatch(uri) or (uri.startswith(SQLITE) and uri != SQLITE):
        return
    if (_is_folder(uri) and _takes_folders()) or _is_of_a_plugin(uri):
        return
    raise ValueError(
        f"expected {VARIABLE} to be http://HOST:PORT, https://HOST, sqlite:///FILE, databricks or the address of a "
        "database (postgresql://, mysql://, mssql://), or with MLFLOW_ALLOW_FILE_STORE=true a folder, got "
        f"{shown(uri)}; correct it, or unset it: mlflow.db of the repository is used then"
    )


def is_of_this_machine(uri: str) -> bool:
    """Return whether the address of a store is a file's or a folder's, which other machines do not have."""
    return uri.startswith((SQLITE, "file:")) or ("://" not in uri and uri != _DATABRICKS)


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
