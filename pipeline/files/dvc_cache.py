"""What DVC holds of a file or folder: in the working tree as dvc.lock says, and in its cache."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.files import safe_yaml, strict_json
from pipeline.files.digest import directory_md5, file_md5

_CACHE = Path(".dvc/cache/files/md5")
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


class ChangedError(ValueError):
    """What DVC holds has another hash than its name says."""


def check(root: Path, path: str, md5: str) -> Iterator[str]:
    """Yield where a file or folder of that hash is at hand, each after its bytes were hashed again.

    Args:
        root: the working tree.
        path: of the file or folder there.
        md5: as DVC computes it.

    Raises:
        ChangedError: it is there, but its bytes are others, or dvc.lock or a folder's list in the cache is broken.
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
        for name, listed in _listed(place):
            if _object(root, listed).exists():
                _whole(root, f"{path}/{name}", listed)


def _listed(place: Path) -> list[tuple[str, str]]:
    """Return the path and the MD5 of each file that DVC's list of a folder names."""
    try:
        return [
            (entry["relpath"], entry["md5"]) for entry in strict_json.parse(place.read_bytes(), list[dict[str, str]])
        ]
    except (OSError, KeyError, ValueError) as err:
        raise ChangedError(f"{place}: expected the list of a folder's files that DVC makes, got {err!r}") from err


def _object(root: Path, md5: str) -> Path:
    if not _MD5.fullmatch(md5):
        raise ChangedError(f"expected an MD5 of 32 hexadecimal digits in DVC's files, got {md5[:80]!r}")
    return root / _CACHE / md5[:2] / md5[2:]


def _locked(root: Path) -> dict[str, str]:
    """Return the hash of each output that dvc.lock names; none where there is no dvc.lock."""
    file = root / "dvc.lock"
    if not file.exists():
        return {}
    try:
        stages: dict[str, Any] = safe_yaml.read(file)["stages"]
        return {str(out["path"]): str(out["md5"]) for stage in stages.values() for out in stage.get("outs", [])}
    except (AttributeError, LookupError, TypeError, ValueError) as err:
        raise ChangedError(f"{file}: expected what dvc repro writes, got {err!r:.200}; git checkout dvc.lock") from err
