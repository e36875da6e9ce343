"""A model, and a training run to go on with: safetensors beside a JSON; nothing here can run code when it is read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.core.classes import ClassTable
from pipeline.core.models import MODELS
from pipeline.files import atomic

Tensors = Mapping[str, Tensor]
Metrics = dict[str, float]


@dataclass(frozen=True)
class Spec:
    """All that is needed to build a model again and to use it rightly."""

    network: str
    """A key of MODELS."""
    width: float
    classes: ClassTable
    dataset: str
    tile_height: int
    """Of the tiles that it was trained on, pixels."""
    tile_width: int
    scale: float
    """By which images are resized before the network sees them."""
    run: str
    """Name of the training run: a hash of its inputs."""


@dataclass(frozen=True)
class State:
    """A training run after an epoch."""

    model: Tensors
    optimizer: Tensors
    best: Tensors
    """The model of the best epoch so far."""
    best_epoch: int
    history: tuple[Metrics, ...]
    """The metrics of each epoch so far."""


def write_model(folder: Path, spec: Spec, weights: Tensors) -> None:
    """Write model.safetensors and model.json in place of `folder`; the same model gives the same bytes."""
    with atomic.replacing(folder) as temporary:
        temporary.mkdir()
        _save(temporary / "model.safetensors", weights)
        atomic.write_json(temporary / "model.json", asdict(spec))


def read_spec(folder: Path) -> Spec:
    """Read model.json.

    Raises:
        ValueError: it is missing, or not what `write_model` makes.
    """
    try:
        tree = json.loads((folder / "model.json").read_text("utf-8"))
        return Spec(**{**tree, "classes": ClassTable.from_json(tree["classes"])})
    except (OSError, KeyError, TypeError, ValueError) as err:
        raise ValueError(f"{folder}: expected a model.json that the train stage wrote: {err}") from err


def read_model(folder: Path) -> tuple[Spec, nn.Module]:
    """Return a model that `write_model` wrote, in evaluation mode.

    Raises:
        ValueError: a file is missing, or the weights are not those of the network that model.json names.
    """
    spec = read_spec(folder)
    if spec.network not in MODELS:
        raise ValueError(f"{folder}: expected a network among {', '.join(MODELS)}, got {spec.network}")
    model = MODELS[spec.network](len(spec.classes), spec.width)
    try:
        model.load_state_dict(dict(_load(folder / "model.safetensors")))
    except RuntimeError as err:
        raise ValueError(f"{folder}: expected the weights of {spec.network} at width {spec.width:g}: {err}") from err
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
    return spec, model.eval()


def write_state(folder: Path, state: State) -> None:
    """Write a training run's state into an existing empty `folder`."""
    _save(folder / "model.safetensors", state.model)
    _save(folder / "optimizer.safetensors", state.optimizer)
    _save(folder / "best.safetensors", state.best)
    atomic.write_json(folder / "state.json", {"best_epoch": state.best_epoch, "history": _encode(state.history)})


def read_state(folder: Path) -> State:
    """Read what `write_state` wrote.

    Raises:
        ValueError: a file is missing or broken.
    """
    try:
        tree = json.loads((folder / "state.json").read_text("utf-8"))
        return State(
            model=_load(folder / "model.safetensors"),
            optimizer=_load(folder / "optimizer.safetensors"),
            best=_load(folder / "best.safetensors"),
            best_epoch=int(tree["best_epoch"]),
            history=tuple(_decode(epoch) for epoch in tree["history"]),
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as err:
        raise ValueError(f"{folder}: expected the state of a training run: {err}") from err


def _encode(history: tuple[Metrics, ...]) -> list[dict[str, Any]]:
    """JSON has no NaN: an undefined score becomes null."""
    return [{key: value if value == value else None for key, value in epoch.items()} for epoch in history]


def _decode(epoch: Mapping[str, float | None]) -> Metrics:
    return {key: float("nan") if value is None else value for key, value in epoch.items()}


def _save(path: Path, tensors: Tensors) -> None:
    with atomic.replacing(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)


def _load(path: Path) -> Tensors:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as err:
        raise ValueError(f"{path}: expected a whole safetensors file: {err}") from err
