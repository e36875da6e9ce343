"""What a training run is made of: runs/<name>/inputs.json, whose hash is the run's name."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.files import atomic, locks, repository, strict_json

Inputs = Mapping[str, Any]

_FILE = "inputs.json"
_NAME = re.compile("[0-9a-f]{16}")
_DIGESTS = ("data", "code", "vgg16")  # what changed in them, a digest does not tell


def all_runs() -> Path:
    """Return the folder of all training runs, runs/ of the repository."""
    return repository.root() / "runs"


def run_name(inputs: Inputs) -> str:
    """Return the name of the run: 16 hexadecimal digits, a hash of all its inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def begun(runs: Path, inputs: Inputs, *, fresh: bool, say: Callable[[str], None]) -> Iterator[Path]:
    """Record a run's inputs in its folder, runs/<name>, and yield the folder; no other process begins it meanwhile.

    A process that trains the same run is waited for, and so are workers that outlive one that was killed.

    Args:
        runs: folder of all runs.
        inputs: all that decides what the run becomes.
        fresh: remove the run's states, if there are any.
        say: told what is waited for, what was removed, or what a new run has changed against the last one begun or gone
            on with.
    """
    folder = runs / run_name(inputs)
    with locks.held(_lock(folder), say=say):
        with locks.held(_lock_of_workers(folder), say=say):
            _record(folder, inputs, fresh=fresh, say=say)
        yield folder


@contextmanager
def worked_on(folder: Path) -> Iterator[None]:
    """Let the next process that begins the run in `folder` wait for the end of the block; each worker does this."""
    with locks.held(_lock_of_workers(folder), shared=True):
        yield


def is_in_use(folder: Path) -> bool:
    """Say whether a process trains the run in `folder`, or workers of one do that was killed."""
    return locks.is_held(_lock(folder)) or locks.is_held(_lock_of_workers(folder))


def _lock(folder: Path) -> Path:
    return folder.with_suffix(".lock")  # beside it: a folder that is removed takes no lock with it


def _lock_of_workers(folder: Path) -> Path:
    return folder.with_suffix(".workers.lock")


def _record(folder: Path, inputs: Inputs, *, fresh: bool, say: Callable[[str], None]) -> None:
    name, runs = folder.name, folder.parent
    if fresh and folder.exists():
        remove_run(folder)
        say(f"the states of run {name} are removed: it begins anew")
    elif not folder.exists() and (others := list(filter(is_recorded, run_folders(runs)))):
        changed = ", ".join(differences(read_inputs(others[0]), inputs))
        say(f"a new run {name}; against run {others[0].name} its inputs changed: {changed}")
    atomic.write_json(folder / _FILE, inputs)


def read_inputs(folder: Path) -> Inputs:
    """Return the inputs of the run in `folder`.

    Raises:
        ValueError: not recorded, or broken.
    """
    try:
        return strict_json.parse((folder / _FILE).read_bytes(), dict[str, Any])
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder}: expected the {_FILE} of a training run: {err}; remove the folder") from err


def run_folders(runs: Path) -> list[Path]:
    """Return the folders of the training runs below `runs`, the last one begun or gone on with first."""
    found = [path for path in runs.glob("*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (path / _FILE).stat().st_mtime_ns if is_recorded(path) else 0, reverse=True)


def is_recorded(folder: Path) -> bool:
    """Say whether a run's folder has its inputs; one that an older version of the program left has not."""
    return (folder / _FILE).exists()


def remove_run(folder: Path) -> None:
    """Remove a run's folder; killed meanwhile, it leaves a temporary folder, and no half of a run."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    folder.rename(old)
    shutil.rmtree(old)


def differences(old: Inputs, new: Inputs) -> list[str]:
    """Return a text for each input that is another one, such as "train.epochs 20 -> 30".

    Example:
        >>> differences({"train": {"epochs": 20, "seed": 1}, "code": "a"}, {"train": {"epochs": 30}, "code": "b"})
        ['code', 'train.epochs 20 -> 30', 'train.seed 1 -> not set']
    """
    before, now = dict(_flat(old)), dict(_flat(new))
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]

    def text(key: str) -> str:
        return key if key in _DIGESTS else f"{key} {before.get(key, 'not set')} -> {now.get(key, 'not set')}"

    return list(map(text, changed))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value)
