"""The evidence for a registered model: files kept beside its version, from which every claim can be checked.

They are copies of the stages' outputs and of the params, and `lineage.json`. A version's tag `evidence` is their
digest, which also names their folder there.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipeline.artifacts import scores, validation
from pipeline.files import atomic, digest, safe_yaml, strict_json
from pipeline.registry.file_record import evidence_name

PARAMS = "params.yaml"
SOURCES = {
    **{name: f"reports/{name}" for name in (*scores.READ, "intervals.json", "train.json", "validation.json")},
    "dataset.json": "data/raw/dataset.json",
    "model.json": "models/segnet/model.json",
    PARAMS: PARAMS,
}
"""Path of the original of each file in the working tree."""

LINEAGE = "lineage.json"
_ALSO_HASHED = ("dvc.yaml", "params.yaml")  # of the latter, DVC records the values but not the text


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from."""

    commit: Annotated[str, Field(pattern="^(unknown|[0-9a-f]{40}|[0-9a-f]{64})$")]
    """Git commit at registration; unknown outside a checkout."""
    changed: tuple[str, ...]
    """Tracked files that differed from the commit."""
    hashes: Mapping[str, str]
    """MD5 of every dep and out of the stages, as DVC computes it, by path."""
    training: Mapping[str, Any]
    """What the training recorded: name, commit, workers, seed, versions of Python and of packages, and so on."""
    start_from: Mapping[str, Any] | None = None
    """The model that the training started from: its version, training, classes and the SHA-256 of its weights."""


def gather(root: Path, into: Path, origin: Lineage) -> dict[str, str]:
    """Copy the evidence from the working tree `root` into an existing empty folder; return the version's tags.

    To the lineage, it adds the model that the training started from, which train.json names.

    Raises:
        ValueError: a file is missing.
    """
    for name, source in SOURCES.items():
        try:
            shutil.copyfile(root / source, into / name)
        except OSError as err:
            raise ValueError(f"expected {source}, which an earlier stage writes: {err}; run dvc repro") from err
    inputs = json.loads((into / "train.json").read_text("utf-8")).get("inputs", {})
    write_lineage(into, replace(origin, start_from=inputs.get("start_from")))
    return {
        "evidence": evidence_name(into),
        "git_commit": origin.commit,
        "git_dirty": "unknown" if origin.commit == "unknown" else "true" if origin.changed else "false",
        "dataset": str(json.loads((into / "dataset.json").read_text("utf-8"))["dataset"]),
        "data_md5": origin.hashes["data/raw"],
        "validation": "passed" if validation.read(into / "validation.json").ok else "failed",
    }


def hash_files(root: Path) -> dict[str, str]:
    """Return the MD5 of every dep and out in dvc.yaml, as DVC computes it, by path.

    Folders of code, which no stage writes, are listed file by file, so that each file can be compared with a commit.
    The outs of the last stage, which has yet to write them, are left out.

    Raises:
        ValueError: a file is missing.
    """
    stages = list(safe_yaml.read(root / "dvc.yaml")["stages"].values())
    written = {path for stage in stages[:-1] for path in _paths(stage, "outs", "metrics", "plots")}
    deps = {path for stage in stages for path in _paths(stage, "deps")}
    code = {path for dep in deps - written for path in _files(root, dep)}
    return {path: hash_of(root / path) for path in sorted({*code, *written, *_ALSO_HASHED})}


def _files(root: Path, path: str) -> list[str]:
    """Return a file, or the files of a folder without Python's caches, which .dvcignore excludes too."""
    if not (root / path).is_dir():
        return [path]
    files = (file.relative_to(root) for file in (root / path).rglob("*") if file.is_file())
    return [file.as_posix() for file in files if "__pycache__" not in file.parts]


def hash_of(path: Path) -> str:
    """Return the MD5 of a file or folder as DVC computes it.

    Raises:
        ValueError: it does not exist.
    """
    if not path.exists():
        raise ValueError(f"expected {path}, which dvc.yaml names, got none; run dvc repro")
    return digest.md5(path)


def write_lineage(folder: Path, lineage: Lineage) -> None:
    """Write lineage.json into `folder`."""
    atomic.write_json(folder / LINEAGE, asdict(lineage))


def read_lineage(folder: Path) -> Lineage:
    """Read what `write_lineage` wrote.

    Raises:
        ValueError: the file is missing or invalid.
    """
    try:
        return strict_json.parse((folder / LINEAGE).read_bytes(), Lineage)
    except (OSError, ValueError) as err:
        raise ValueError(
            f"{folder}: expected a {LINEAGE} written by the register stage: {err}; register it again"
        ) from err


def _paths(stage: Mapping[str, Any], *kinds: str) -> Iterator[str]:
    for kind in kinds:
        for entry in stage.get(kind, []):
            yield next(iter(entry)) if isinstance(entry, dict) else str(entry)
