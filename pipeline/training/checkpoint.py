"""What a training resumes from: runs/<name>/step-<steps taken>, one folder per checkpoint.

These are this program's own, not Ray Train's checkpoints: Ray lists those in a file that it writes in place, and a run
whose list was truncated by a kill or a full disk, or was written by another version of Ray, cannot resume. Here the
folders are the list; each is renamed into place once it is complete, and holds the SHA-256 of its files.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from pipeline.artifacts.model import Metrics, Tensors, save_tensors
from pipeline.files import atomic, strict_json
from pipeline.files.digest import file_sha256
from pipeline.files.strict_json import null_or_number, number_or_null

_Count = Annotated[int, Field(ge=0)]
_PREFIX = "step-"
_PARTS = ("model", "optimizer", "average", "best", "epoch")  # one .safetensors file each


@dataclass(frozen=True)
class Checkpoint:
    """A training run after a step.

    The order of the tiles, their augmentation, dropout and the learning rate depend on seed and step alone, so this is
    everything that an undisturbed run would have in memory.
    """

    step: int
    """Steps taken."""
    model: Tensors
    optimizer: Tensors
    average: Tensors
    """The weights' exponential moving average; empty if there is none."""
    best: Tensors
    """The model of the best epoch so far; empty within the first."""
    best_epoch: int
    """0-based."""
    sums: Tensor
    """(k, 4 or 6) float64: what each of the unfinished epoch's k steps added to its losses.

    Between epochs k is 0, and the number of columns means nothing."""
    history: tuple[Metrics, ...]
    """The metrics of each epoch so far."""


def beginning() -> Checkpoint:
    """Return the checkpoint before the first step, without weights: the network has its initial ones."""
    sums = torch.zeros(0, 4, dtype=torch.float64)
    return Checkpoint(step=0, model={}, optimizer={}, average={}, best={}, best_epoch=0, sums=sums, history=())


def write(folder: Path, state: Checkpoint, *, keep: int) -> None:
    """Write a checkpoint into a run's folder; then remove all but the newest `keep`, and leftovers of killed writers.

    Raises:
        ValueError: it cannot be written; the earlier checkpoints are unchanged.
    """
    path = _path(folder, state.step)
    parts = (state.model, state.optimizer, state.average, state.best, {"sums": state.sums})
    try:
        with atomic.replacing(path) as temporary:
            temporary.mkdir()
            digests = {}
            for part, tensors in zip(_PARTS, parts, strict=True):
                save_tensors(temporary / f"{part}.safetensors", tensors)
                digests[part] = file_sha256(temporary / f"{part}.safetensors")
            history = [{key: number_or_null(value) for key, value in epoch.items()} for epoch in state.history]
            body = {"step": state.step, "best_epoch": state.best_epoch, "history": history, "sha256": digests}
            atomic.write_json(temporary / "state.json", {"state": body, "sha256": _json_sha256(body)})
    except (OSError, SafetensorError) as err:
        raise ValueError(
            f"{path}: expected to write a training checkpoint, got {err}; make room (segnet prune) or correct the "
            "folder's permissions, then train again; it resumes from the previous checkpoint"
        ) from err
    # Any newer checkpoint is broken, or training would have resumed from it.
    kept = [old for old in _paths(folder) if old <= path][-keep:]
    for old in {*_paths(folder), *folder.glob(".step-*.partial")} - {*kept}:
        shutil.rmtree(old)


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest intact checkpoint in a run's folder, if any, and what is wrong with each newer one."""
    faults: list[str] = []
    for path in reversed(_paths(folder)):
        try:
            return _read(path), faults
        except ValueError as err:
            faults.append(str(err))
    return None, faults


def last(folder: Path) -> Checkpoint:
    """Read the newest checkpoint in a run's folder.

    Raises:
        ValueError: there is none, or it is broken.
    """
    paths = _paths(folder)
    if not paths:
        raise ValueError(f"{folder}: expected a training run's checkpoints, got none; do all nodes see this folder?")
    return _read(paths[-1])


def steps(folder: Path) -> list[int]:
    """Return after how many steps there are checkpoints in a run's folder, ascending, intact or not."""
    return [int(path.name.removeprefix(_PREFIX)) for path in _paths(folder)]


def read(folder: Path, step: int) -> Checkpoint:
    """Read the checkpoint after `step` steps.

    Raises:
        ValueError: a file is missing, or its content has changed.
    """
    return _read(_path(folder, step))


def _read(path: Path) -> Checkpoint:
    try:
        document = strict_json.parse((path / "state.json").read_bytes(), _Document)
        body = document.state
        _check("state.json", document.sha256, _json_sha256(asdict(body)))
        parts = []
        for part in _PARTS:
            data = (path / f"{part}.safetensors").read_bytes()  # a memory-mapped file could still change
            _check(f"{part}.safetensors", body.sha256[part], hashlib.sha256(data).hexdigest())
            parts.append(load(data))
        model, optimizer, average, best, unfinished = parts
        history = tuple({key: null_or_number(value) for key, value in epoch.items()} for epoch in body.history)
        return Checkpoint(body.step, model, optimizer, average, best, body.best_epoch, unfinished["sums"], history)
    except (OSError, KeyError, ValueError, SafetensorError) as err:
        raise ValueError(f"checkpoint {path} is broken: {err}") from err


@dataclass(frozen=True)
class _Body:
    """What state.json holds of a checkpoint."""

    step: _Count
    best_epoch: _Count
    history: tuple[dict[str, int | float | None], ...]  # an integer stays an integer, so text and SHA-256 are the same
    sha256: dict[str, str]


@dataclass(frozen=True)
class _Document:
    """state.json."""

    state: _Body
    sha256: str


def _check(file: str, expected: str, got: str) -> None:
    if got != expected:
        raise ValueError(f"expected {file} to have SHA-256 {expected}, got {got}")


def name(step: int) -> str:
    """Return the name of the folder of the checkpoint after `step` steps."""
    return f"{_PREFIX}{step:09d}"


def _path(folder: Path, step: int) -> Path:
    return folder / name(step)


def _paths(folder: Path) -> list[Path]:
    """Return the checkpoints in a run's folder, newest last: sorted by step, since clocks can be set back."""
    return sorted(folder.glob(f"{_PREFIX}*"))


def _json_sha256(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
