"""Where the code of a job on a cluster came from: captured on submission, since git does not travel with it."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.files import atomic, strict_json

VARIABLE = "SEGNET_ORIGIN"
"""Names the file, in the environment of a job's stages; elsewhere it is not set, and git is asked."""


@dataclass(frozen=True)
class Origin:
    """The commit that files were taken from, and how they differed from it."""

    commit: Annotated[str, Field(pattern="^(unknown|[0-9a-f]{40}|[0-9a-f]{64})$")]
    """Git commit; unknown if the repository had none."""
    changed: tuple[str, ...]
    """Tracked files that differed from the commit, dvc.lock and reports/ left out."""
    changes_sha256: str
    """SHA-256 over the names and contents of these files, a removed one by its name alone; of nothing if none did."""


def write(path: Path, origin: Origin) -> None:
    """Write it as a file that `VARIABLE` can name."""
    atomic.write_json(path, asdict(origin))


def sent() -> Origin | None:
    """Return where this job's files came from; None if this process is not part of a job.

    Raises:
        ValueError: the file that the environment names is missing or broken.
    """
    if not (named := os.environ.get(VARIABLE)):
        return None
    path = Path(named)
    try:
        return strict_json.parse(path.read_bytes(), Origin)
    except (OSError, ValueError) as err:
        raise ValueError(f"{path}: expected where this job's files came from: {err}; submit the job again") from err
