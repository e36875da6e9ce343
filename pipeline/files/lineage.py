"""What a registered version was made from: the commit, the hash of every file along the path, and the training."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from ruamel.yaml import YAML

from pipeline.files import atomic, digest, documents

NAME = "lineage.json"
_ALSO = ("dvc.yaml", "params.yaml")  # DVC keeps the latter's values, not its text


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from."""

    commit: Annotated[str, Field(pattern="^(unknown|[0-9a-f]{40}|[0-9a-f]{64})$")]
    """Of git when it was registered; unknown outside a checkout."""
    changed: tuple[str, ...]
    """Tracked files that differed from the commit."""
    hashes: Mapping[str, str]
    """MD5 of each dep and out of the stages, as DVC computes it, by path."""
    training: Mapping[str, Any]
    """What the training recorded: name, commit, workers, seed, versions of Python and its packages, and so on."""


def collect(root: Path) -> dict[str, str]:
    """Return the hash of every dep and out that dvc.yaml names, as DVC computes it, by path.

    What the last stage writes is left out: it is about to.

    Raises:
        ValueError: a file is missing.
    """
    stages = list(YAML(typ="safe", pure=True).load(root / "dvc.yaml")["stages"].values())
    paths = {path for stage in stages for path in _paths(stage, "deps")}
    paths |= {path for stage in stages[:-1] for path in _paths(stage, "outs", "metrics", "plots")}
    return {path: hash_of(root / path) for path in sorted(paths.union(_ALSO))}


def hash_of(path: Path) -> str:
    """Return the MD5 of a file or folder as DVC computes it.

    Raises:
        ValueError: there is none.
    """
    if not path.exists():
        raise ValueError(f"expected {path}, which dvc.yaml names, found none; run dvc repro")
    return digest.directory_md5(path) if path.is_dir() else digest.file_md5(path)


def write(folder: Path, lineage: Lineage) -> None:
    """Write lineage.json into `folder`."""
    atomic.write_json(folder / NAME, asdict(lineage))


def read(folder: Path) -> Lineage:
    """Read what `write` wrote.

    Raises:
        ValueError: it is missing or something else.
    """
    try:
        return documents.parse((folder / NAME).read_bytes(), Lineage)
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder}: expected a {NAME} that the register stage wrote: {err}; register it anew") from err


def _paths(stage: Mapping[str, Any], *kinds: str) -> Iterator[str]:
    for kind in kinds:
        for entry in stage.get(kind, []):
            yield next(iter(entry)) if isinstance(entry, dict) else str(entry)
