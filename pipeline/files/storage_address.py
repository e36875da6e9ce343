"""The address of what several machines share, and which one is meant."""

import os
from urllib.parse import urlsplit

from pipeline.files.redact import redact

LOCAL = "local"
"""The address of no storage: one machine, or several that see the repository at the same path."""
VARIABLE = "SEGNET_STORAGE"
"""Environment variable with the address of the storage, which takes precedence over params.yaml."""
_SCHEMES = ("s3", "gs", "az", "file")


def chosen_address(address: str) -> str | None:
    """Return the address that `VARIABLE` names, or else `address`, which params.yaml names; None if it is LOCAL."""
    taken = os.environ.get(VARIABLE) or address
    return None if taken == LOCAL else taken


def check_address(address: str, *, folders: bool = True) -> None:
    """Raise ValueError if an address is none that `Storage` takes; `folders`: whether file:///folder is one."""
    parts = urlsplit(address)
    is_folder = parts.scheme == "file"
    if (
        parts.scheme not in _SCHEMES
        or (parts.netloc == "") != is_folder
        or any(character in address for character in "@?#")
        or (is_folder and (parts.path in {"", "/"} or not folders))
    ):
        last = "az://container/prefix or file:///folder" if folders else "az://container/prefix or the path of a folder"
        raise ValueError(
            f"expected s3://bucket/prefix, gs://bucket/prefix, {last}, without credentials and options, got "
            f"{redact(address)}; correct the address"
        )
