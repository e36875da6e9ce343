"""What DVC holds of a file or folder: in the working tree as dvc.lock says, and in its cache."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.files.digest import directory_md5, file_md5

_CACHE = Path(".dvc/cache/files/md5")


class ChangedError(ValueError):
    """What DVC holds has another hash than its name says."""


def check(root: Path, path: str, md5: str) -> Iterator[str]:
    """Yield where a file or folder of that hash is at hand, each after its bytes were hashed again.

    Args:
        root: the working tree.
        path: of the file or folder there.
        md5: as DVC computes it.

    Raises:
        ChangedError: it is there, but its bytes are others.
    """
    if _locked(root).get(path) == md5 and (root / path).exists():
        found = directory_md5(root / path) if (root / path).is_dir() else file_md5(root / path)
        if found != md5:
            raise ChangedError(
                f"expected {path} of the MD5 {md5}, which dvc.lock says too, got {found}: it was changed"
            )
        yield "in the working tree"
    place = _object(root, md5)
    if place.exists():
        _whole(root, path, md5)
        yield "in DVC's cache"


def _whole(root: Path, path: str, md5: str) -> None:
    """Hash an object of the cache, and the objects that it lists if it is a folder."""
    place = _object(root, md5)
    found = file_md5(place)
    if found != md5.removesuffix(".dir"):
        raise ChangedError(f"expected {path} in DVC's cache to have the MD5 {md5}, got {found}: it was changed")
    if md5.endswith(".dir"):
        for entry in json.loads(place.read_text("utf-8")):
            if _object(root, entry["md5"]).exists():
                _whole(root, f"{path}/{entry['relpath']}", entry["md5"])


def _object(root: Path, md5: str) -> Path:
    return root / _CACHE / md5[:2] / md5[2:]


def _locked(root: Path) -> dict[str, str]:
    """Return the hash of each output that dvc.lock names; none where there is no dvc.lock."""
    file = root / "dvc.lock"
    if not file.exists():
        return {}
    stages: dict[str, Any] = YAML(typ="safe", pure=True).load(file)["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
