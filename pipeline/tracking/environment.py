"""What a run ran on: commit, versions and hardware of this machine."""

import os
import platform
import shutil
import subprocess
from importlib import metadata
from typing import Any

_WRITTEN_BY_A_RUN = (":(exclude)dvc.lock", ":(exclude)reports")


def commit() -> tuple[str, str]:
    """Return the current folder's git commit, and `true` where tracked files differ from it, else `false`.

    dvc.lock and reports/ do not count: a run itself changes them. Both are `unknown` outside a git checkout.
    """
    head = _output("git", "rev-parse", "HEAD")
    changes = _output("git", "status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN_BY_A_RUN)
    if head is None or changes is None:
        return "unknown", "unknown"
    return head, "true" if changes else "false"


def describe() -> dict[str, Any]:
    """Return versions of Python and its packages, and what processors, memory and GPUs there are."""
    gpus = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": (gpus or "").splitlines(),
        "packages": {package.name: package.version for package in metadata.distributions()},
    }


def _output(*command: str) -> str | None:
    """Return what a program prints, or None where the program is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  literal commands only
    return done.stdout.strip() if done.returncode == 0 else None
