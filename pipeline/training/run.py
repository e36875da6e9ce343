"""Training runs: runs/<name>, where the name is a hash of inputs.json, which holds everything that determines a run."""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.files import atomic, locks, repository, strict_json
from pipeline.files.strict_json import flat

Inputs = Mapping[str, Any]

_log = logging.getLogger(__name__)
RUNS = "runs"
"""The folder of all runs, in the repository or in a storage."""
_FILE = "inputs.json"
_FOLD = "fold.txt"
"""Where a run is a fold's, the fold's folder."""
_NAME = re.compile("[0-9a-f]{16}")
_DIGESTS = ("data", "code", "vgg16")  # a digest does not show what changed


def all_runs() -> Path:
    """Return the folder of all training runs, the repository's runs/."""
    return repository.root() / RUNS


def run_name(inputs: Inputs) -> str:
    """Return a run's name: 16 hexadecimal digits, a hash of all its inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def begun(runs: Path, inputs: Inputs, *, fresh: bool) -> Iterator[Path]:
    """Record a run's inputs in its folder, runs/<name>, and yield the folder; no other process can begin the run.

    Waits for another process that trains the same run, and for workers that outlive a killed one. Logs what it waits
    for, what it removed, and how a new run's inputs differ from those of the run that was last started or resumed.

    Args:
        runs: folder of all runs.
        inputs: everything that determines the run.
        fresh: remove the run's checkpoints, if there are any.
    """
    folder = runs / run_name(inputs)
    with locks.held(_lock(folder)):
        with locks.held(_lock_of_workers(folder)):
            _record(folder, inputs, fresh=fresh)
        yield folder


@contextmanager
def worked_on(folder: Path) -> Iterator[None]:
    """Make the next process that begins the run in `folder` wait for the end of the block; every worker uses this."""
    with locks.held(_lock_of_workers(folder), shared=True):
        yield


def is_in_use(folder: Path) -> bool:
    """Return whether a process, or the workers of a killed one, are training the run in `folder`."""
    return locks.is_held(_lock(folder)) or locks.is_held(_lock_of_workers(folder))


def _lock(folder: Path) -> Path:
    return folder.with_suffix(".lock")  # beside the folder, which may be removed while the lock is held


def _lock_of_workers(folder: Path) -> Path:
    return folder.with_suffix(".workers.lock")


def _record(folder: Path, inputs: Inputs, *, fresh: bool) -> None:
    name, runs = folder.name, folder.parent
    if fresh and folder.exists():
        remove_folder(folder)
        _log.info(f"removed the checkpoints of run {name}; it starts from scratch")
    elif not folder.exists() and (others := list(filter(is_recorded, run_folders(runs)))):
        changed = ", ".join(differences(read_inputs(others[0]), inputs))
        _log.info(f"new run {name}; inputs that changed since run {others[0].name}: {changed}")
    if (fold := repository.fold()) is not None:
        atomic.write_text(folder / _FOLD, str(fold))
    atomic.write_json(folder / _FILE, inputs)


def fold_of(folder: Path) -> Path | None:
    """Return the fold that the run in `folder` was trained on, relative to the repository; None: it is no fold's."""
    file = folder / _FOLD
    return Path(file.read_text("utf-8")) if file.exists() else None


def read_inputs(folder: Path) -> Inputs:
    """Return the inputs of the run in `folder`.

    Raises:
        ValueError: they are not recorded, or broken.
    """
    try:
        return strict_json.parse((folder / _FILE).read_bytes(), dict[str, Any])
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder}: expected the {_FILE} of a training run: {err}; remove the folder") from err


def run_folders(runs: Path) -> list[Path]:
    """Return the folders of the training runs below `runs`, the last one started or resumed first."""
    folders = [path for path in runs.glob("*") if _NAME.fullmatch(path.name)]
    return sorted(folders, key=_last_begun, reverse=True)


def _last_begun(folder: Path) -> int:
    try:
        return (folder / _FILE).stat().st_mtime_ns
    except FileNotFoundError:  # an early version of the program recorded none, or the run is being removed
        return 0


def is_recorded(folder: Path) -> bool:
    """Return whether a run's folder holds its inputs; one left by an early version of the program may not."""
    return (folder / _FILE).exists()


def remove_folder(folder: Path) -> None:
    """Remove the folder of a run or checkpoint; a kill meanwhile leaves a temporary folder, never a partial one."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    folder.rename(old)
    shutil.rmtree(old)


def differences(old: Inputs, new: Inputs) -> list[str]:
    """Return a description of each input that differs, such as "train.epochs 20 -> 30".

    Example:
        >>> differences({"train": {"epochs": 20, "seed": 1}, "code": "a"}, {"train": {"epochs": 30}, "code": "b"})
        ['code', 'train.epochs 20 -> 30', 'train.seed 1 -> not set']
    """
    before, now = ({key: json.dumps(value) for key, value in flat(inputs)} for inputs in (old, new))
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]

    def text(key: str) -> str:
        return key if key in _DIGESTS else f"{key} {before.get(key, 'not set')} -> {now.get(key, 'not set')}"

    return list(map(text, changed))
