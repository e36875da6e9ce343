"""What a job leaves in storage: its lock, reports and model, by SHA-256, and last a record that names all of them."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from pipeline.cluster.failures import JobError
from pipeline.cluster.overrides import PARAMS
from pipeline.cluster.submission import LOCK, Order, check_id
from pipeline.files import digest, dvc_cache, repository, strict_json
from pipeline.files.redact import redact
from pipeline.files.storage import Storage, StorageError
from pipeline.tracking.origin import Origin

VERDICT = "reports/registration.json"
TRACKING = "MLFLOW_TRACKING_URI"
_SHA256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_MD5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]


@dataclass(frozen=True)
class Results:
    """The record of a job that has ended."""

    id: str
    status: Literal["succeeded", "failed"]
    error: str
    """Why it failed, in one line; empty if it succeeded."""
    origin: Origin
    """Where its code came from."""
    before: Mapping[str, _SHA256]
    """SHA-256 of each file in the submitter's working tree, when it was submitted, that results may replace."""
    files: Mapping[str, _SHA256]
    """SHA-256 of each file that is in storage, by path in the working tree."""
    outs: Mapping[str, _MD5]
    """The stages' outputs that these files make up: their hashes in dvc.lock."""
    left: tuple[str, ...]
    """Outputs that are in dvc.lock but not in storage: the data."""
    pushed: bool
    """Whether DVC's remote has all outputs."""
    versions: tuple[str, ...]
    """Addresses of the models that it registered, such as models:/segnet-scenes/3."""
    tracking: str
    """Address of the MLflow server that has them; empty if the job's stages record nothing."""


def name(job_id: str) -> str:
    """Return the name of a job's record in storage."""
    return f"jobs/{job_id}/results.json"


def file_name(job_id: str, sha256: str) -> str:
    """Return the name in storage of a job's file."""
    return f"jobs/{job_id}/files/{sha256}"


def write(
    storage: Storage, order: Order, root: Path, finished: Collection[str], *, error: str, pushed: bool
) -> Results:
    """Put what the job has made into storage, the record last; return it.

    Args:
        storage: where to.
        order: of the job.
        root: the folder in which it ran.
        finished: the stages that it ran to their end; what others made came with its files, or from DVC's remote.
        error: why it failed; empty if it succeeded.
        pushed: whether DVC's remote has all outputs.

    Raises:
        StorageError: the storage cannot be reached.
    """
    locked = dvc_cache.outputs(root)
    outs = {path: md5 for path, md5 in locked.items() if not _is_data(path) and _is_unchanged(root / path, md5)}
    names = [LOCK] if locked else []
    names += [PARAMS] if order.overridden else []
    names += [path.relative_to(root).as_posix() for out in outs for path in _files(root / out)]
    files = {name: digest.file_sha256(root / name) for name in sorted(names)}
    for path, sha256 in files.items():
        if storage.size(file_name(order.id, sha256)) != (root / path).stat().st_size:  # not there from an earlier try
            storage.put(file_name(order.id, sha256), root / path)
    results = Results(
        order.id,
        "failed" if error else "succeeded",
        error,
        order.origin,
        order.before,
        files,
        outs,
        tuple(sorted(locked.keys() - outs)),
        pushed,
        tuple(_versions(root)) if "register" in finished and VERDICT in outs else (),
        redact(os.environ.get(TRACKING, "")),
    )
    storage.put(name(order.id), json.dumps(asdict(results), indent=2, sort_keys=True).encode())
    return results


def read(storage: Storage, job_id: str) -> Results:
    """Return the record of a job.

    Raises:
        StorageError: the storage cannot be reached.
        ValueError: it is no name of a job, or the storage has no results of it, or they are broken.
    """
    check_id(job_id)
    try:
        results = strict_json.parse(storage.get(name(job_id)), Results)
    except FileNotFoundError:
        raise JobError(
            f"expected the results of job {job_id} in {storage.address}, got none; they are written when it ends: "
            f"segnet attach {job_id} waits for that; segnet jobs lists the jobs"
        ) from None
    except StorageError:
        raise
    except ValueError as err:
        raise JobError(f"{storage.address}/{name(job_id)}: expected a job's results: {err}; submit it again") from err
    for path in (*results.files, *results.outs):
        if not _is_ours(path):
            raise JobError(
                f"{storage.address}/{name(job_id)}: expected files that stages write, got {path!r}: nothing was "
                "written; find out who else writes to this storage"
            )
    return results


def are_complete(storage: Storage, job_id: str) -> bool:
    """Return whether the storage has the record of a job and all files that it names.

    Raises:
        StorageError: the storage cannot be reached.
    """
    try:
        record = read(storage, job_id)
    except JobError:
        return False
    return all(storage.size(file_name(job_id, sha256)) is not None for sha256 in record.files.values())


def _is_data(path: str) -> bool:
    return path.startswith("data/")


def _is_ours(path: str) -> bool:
    """Return whether results may hold a file of that path: a storage that others write to must not choose."""
    parts = PurePosixPath(path).parts
    if path in (LOCK, PARAMS):
        return True
    inside = any(path == out or path.startswith(f"{out}/") for out in repository.WRITTEN if not _is_data(out))
    return inside and ".." not in parts and "/".join(parts) == path and not parts[-1].startswith(".")


def _is_unchanged(path: Path, md5: str) -> bool:
    """Return whether an output is there as dvc.lock records it: a stage that failed has removed or changed its own."""
    return path.exists() and digest.md5(path) == md5


def _files(path: Path) -> Iterator[Path]:
    yield from sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _versions(root: Path) -> Iterator[str]:
    verdict = json.loads((root / VERDICT).read_text("utf-8"))
    yield f"models:/{verdict['model']}/{verdict['version']}"
