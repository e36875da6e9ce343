"""Files and folders as DVC holds them: in the working tree, as recorded in dvc.lock, and in its cache."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.files import digest, dvc, safe_yaml, strict_json

_OBJECTS = Path("files/md5")
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


class ChangedError(ValueError):
    """The content that DVC holds does not match its hash."""


@dataclass(frozen=True)
class LockedStage:
    """A stage as it ran last, by dvc.lock."""

    name: str
    outs: Mapping[str, str]
    """The hash of each output, by path."""
    deps: Mapping[str, str]
    """The hash of each file or folder that it read, by path."""
    params: Mapping[str, Any]
    """The sections of params.yaml that it read."""


def check(root: Path, path: str, md5: str) -> Iterator[str]:
    """Yield each place that holds a file or folder with that hash, after hashing its bytes again.

    Args:
        root: the working tree.
        path: of the file or folder, relative to `root`.
        md5: its hash, as DVC computes it.

    Raises:
        ChangedError: its bytes have changed, or dvc.lock or a folder's file list in the cache is broken.
    """
    if outputs(root).get(path) == md5 and (root / path).exists():
        if (actual := digest.md5(root / path)) != md5:
            raise ChangedError(
                f"expected {path} to have the MD5 {md5}, which dvc.lock also records, got {actual}: it was changed"
            )
        yield "in the working tree"
    place = _object(root, md5)
    if place.exists():
        _check_object(root, path, md5)
        yield "in DVC's cache"


def cached(root: Path, folder: str, name: str) -> Path | None:
    """Return where DVC's cache has a file of a folder that dvc.lock records; None: dvc.lock records no such folder.

    Raises:
        ChangedError: the cache lacks the folder's file list or the file, or dvc.lock or the list is broken.
    """
    md5 = outputs(root).get(folder)
    if md5 is None:
        return None
    place = next((_object(root, listed) for path, listed in _listed(_object(root, md5)) if path == name), None)
    if place is None or not place.exists():
        raise ChangedError(f"expected {folder}/{name} in DVC's cache, where dvc.lock has it, got none; run dvc fetch")
    return place


def _check_object(root: Path, path: str, md5: str) -> None:
    """Check an object of the cache against its hash and, if it is a folder, the objects that it lists."""
    place = _object(root, md5)
    actual = digest.file_md5(place)
    if actual != md5.removesuffix(".dir"):
        raise ChangedError(f"expected {path} in DVC's cache to have the MD5 {md5}, got {actual}: it was changed")
    if md5.endswith(".dir"):
        for name, listed in _listed(place):
            if _object(root, listed).exists():
                _check_object(root, f"{path}/{name}", listed)


def _listed(place: Path) -> list[tuple[str, str]]:
    """Return the path and MD5 of each file in DVC's list of a folder."""
    try:
        return [
            (entry["relpath"], entry["md5"]) for entry in strict_json.parse(place.read_bytes(), list[dict[str, str]])
        ]
    except (OSError, KeyError, ValueError) as err:
        raise ChangedError(f"{place}: expected a folder's file list as DVC writes it, got {err!r}") from err


def _object(root: Path, md5: str) -> Path:
    if not _MD5.fullmatch(md5):
        raise ChangedError(f"expected an MD5 of 32 hexadecimal digits in DVC's files, got {md5[:80]!r}")
    return location(root.absolute()) / _OBJECTS / md5[:2] / md5[2:]


@cache
def location(root: Path) -> Path:
    """Return the folder of DVC's cache in the repository at `root`, absolute, which its configuration may have moved.

    DVC is asked, since the user's or the machine's configuration may say so too.
    """
    default = root / ".dvc" / "cache"
    if not (root / ".dvc" / "config").is_file():
        return default
    asked = dvc.run("cache", "dir", folder=root)
    return default if asked.returncode else Path(asked.stdout.rstrip("\n"))


def outputs(root: Path) -> dict[str, str]:
    """Return the hash of each output that dvc.lock records, by path; empty if there is no dvc.lock.

    Raises:
        ChangedError: it is broken.
    """
    return {path: md5 for stage in stages(root) for path, md5 in stage.outs.items()}


def stages(root: Path) -> list[LockedStage]:
    """Return the stages that dvc.lock records, in its order; none if there is no dvc.lock.

    Raises:
        ChangedError: it is broken.
    """
    file = root / "dvc.lock"
    if not file.exists():
        return []
    try:
        recorded: dict[str, Any] = safe_yaml.read(file)["stages"]
        return [
            LockedStage(
                name,
                {str(out["path"]): str(out["md5"]) for out in stage.get("outs", [])},
                {str(dep["path"]): str(dep["md5"]) for dep in stage.get("deps", [])},
                dict(stage.get("params", {}).get("params.yaml", {})),
            )
            for name, stage in recorded.items()
        ]
    except (AttributeError, LookupError, TypeError, ValueError) as err:
        raise ChangedError(f"{file}: expected what dvc repro writes, got {err!r:.200}; git checkout dvc.lock") from err
