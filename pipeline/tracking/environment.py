"""The environment of a run: commit, versions and hardware."""

import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.files import git
from pipeline.tracking import origin, store

FILE = "environment.json"
TRAINED_IN_TAG = "training_recorded_in"
"""Tag of a run that another clone's training is evaluated in: the id of the run that recorded the training."""
_WRITTEN_BY_A_RUN = (":(exclude)dvc.lock", ":(exclude)reports")

_log = logging.getLogger(__name__)


def commit() -> tuple[str, str]:
    """Return the current folder's git commit, and `true` if tracked files differ from it, else `false`.

    dvc.lock and reports/ do not count, since a run itself changes them. Both are `unknown` outside a git checkout. In a
    job on a cluster, they are those of the checkout that it was submitted from.

    Raises:
        RefusedError: a ValueError; git does not read the repository.
    """
    if (sent := origin.sent()) is not None:
        return sent.commit, "unknown" if sent.commit == "unknown" else "true" if sent.changed else "false"
    if (head := _head()) is None:
        return "unknown", "unknown"
    changes = git.required("status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN_BY_A_RUN)
    return head, "true" if changes else "false"


def commit_or_warning() -> tuple[str, str]:
    """Return `commit`, and log a warning if it is unknown: a model is then registered without it for good."""
    head_and_state = commit()
    if head_and_state[0] == "unknown":
        _log.warning(
            "there is no git commit here: the model's version will name none, and segnet trace cannot find its code; "
            "git init, git add and git commit before training"
        )
    return head_and_state


def changed_files() -> tuple[str, ...]:
    """Return the tracked files of the current folder that differ from the commit; empty outside a git checkout.

    In a job on a cluster, those of the checkout that it was submitted from.
    """
    if (sent := origin.sent()) is not None:
        return sent.changed
    if _head() is None:
        return ()
    listed = git.required("diff", "HEAD", "--name-only", "-z", "--relative", "--", ".", *_WRITTEN_BY_A_RUN)
    return tuple(sorted(git.names(listed)))


def files_at(commit: str) -> frozenset[str] | None:
    """Return the files of a commit; None if the current folder's repository does not have it."""
    listed = git.text("ls-tree", "-r", "--name-only", "-z", commit)
    return None if listed is None else frozenset(git.names(listed))


def md5_at(commit: str, path: str) -> str:
    """Return the MD5 of a file as of a commit, 32 hexadecimal digits."""
    command = ("git", "cat-file", "blob", f"{commit}:./{path}")
    content = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603  no shell
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def recorded(uri: str, run_id: str) -> dict[str, Any]:
    """Return what a training run recorded about itself: its name, commit, workers, versions, processors and memory."""
    client = store.client(uri)
    run_id = client.get_run(run_id).data.tags.get(TRAINED_IN_TAG, run_id)
    run = client.get_run(run_id).data
    workers = sorted({int(point.value) for point in client.get_metric_history(run_id, "workers")})
    tags = {"run": "training_run", "commit": "git_commit", "dirty": "git_dirty"}
    facts = {key: run.tags[tag] for key, tag in tags.items() if tag in run.tags}
    with TemporaryDirectory() as folder:
        if any(file.path == FILE for file in client.list_artifacts(run_id)):
            facts |= json.loads(Path(client.download_artifacts(run_id, FILE, folder)).read_text("utf-8"))
    return {**facts, "workers": workers}


def recorded_params(uri: str, run_id: str) -> dict[str, str]:
    """Return the params of a run; none if it was deleted for good."""
    client = store.client(uri)
    from mlflow import MlflowException

    try:
        return dict(client.get_run(run_id).data.params)
    except MlflowException as err:
        if err.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise


def describe() -> dict[str, Any]:
    """Return the versions of Python and its packages, and this machine's processors, memory and GPUs."""
    gpus = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": (gpus or "").splitlines(),
        "packages": dict(_packages()),
    }


@cache
def _packages() -> dict[str, str]:
    """Return the version of each installed package; reading them takes a third of a second.

    setuptools appends copies of its own to the path of a process that imports it; these are not what a program imports.
    """
    places = [place for place in sys.path if not place.endswith("_vendor")]
    versions = [(package.name, package.version) for package in metadata.distributions(path=places)]
    return dict(reversed(versions))  # of two, Python imports the first


def _head() -> str | None:
    return git.text("rev-parse", "--quiet", "--verify", "HEAD")


def _output(*command: str) -> str | None:
    """Return what a program prints, or None if it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  literal commands only
    return done.stdout.strip() if done.returncode == 0 else None
