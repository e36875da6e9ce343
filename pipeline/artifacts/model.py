"""A model on disk: safetensors beside a JSON file; reading it cannot run code."""

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.core.classes import ClassTable
from pipeline.core.models import MODELS
from pipeline.files import atomic, strict_json

Tensors = Mapping[str, Tensor]
Metrics = dict[str, float]
Side = Annotated[int, Field(ge=1, le=20_000)]
_TODO = "run dvc repro, or name another model"


@dataclass(frozen=True)
class Spec:
    """Everything needed to rebuild a model and to use it correctly."""

    network: str
    """A key of MODELS."""
    width: Annotated[float, Field(gt=0, le=4)]
    classes: ClassTable
    dataset: str
    tile_height: Side
    """Of the tiles that it was trained on, in pixels."""
    tile_width: Side
    scale: Annotated[float, Field(gt=0, le=1)]
    """Factor by which images are resized before the network sees them."""
    run: Annotated[str, Field(pattern=r"^\w[\w-]*$")]
    """Name of the training run: a hash of its inputs."""


def write_model(folder: Path, spec: Spec, weights: Tensors) -> None:
    """Write model.safetensors and model.json, replacing `folder`; the same model gives the same bytes."""
    with atomic.replacing(folder) as temporary:
        temporary.mkdir()
        save_tensors(temporary / "model.safetensors", weights)
        atomic.write_json(temporary / "model.json", asdict(spec))


def read_spec(folder: Path) -> Spec:
    """Read model.json.

    Raises:
        ValueError: it is missing, or not as `write_model` writes it.
    """
    try:
        return strict_json.parse((folder / "model.json").read_bytes(), Spec)
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder}: expected a model.json that the train stage wrote: {err}; {_TODO}") from err


def read_model(folder: Path) -> tuple[Spec, nn.Module]:
    """Return a model that `write_model` wrote, in evaluation mode.

    Raises:
        ValueError: a file is missing, or the weights are not those of the network that model.json names.
    """
    spec = read_spec(folder)
    if spec.network not in MODELS:
        raise ValueError(f"{folder}: expected a network among {', '.join(MODELS)}, got {spec.network}; {_TODO}")
    weights = dict(_load(folder / "model.safetensors"))
    try:
        model = MODELS[spec.network](len(spec.classes), spec.width)
        model.load_state_dict(weights)
    except RuntimeError as err:
        raise ValueError(
            f"{folder}: expected the weights of {spec.network} at width {spec.width:g}: {err}; {_TODO}"
        ) from err
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
    return spec, model.eval()


def save_tensors(path: Path, tensors: Tensors) -> None:
    """Write tensors on any device as a safetensors file.

    Raises:
        OSError: it cannot be written.
    """
    with atomic.replacing(path) as temporary:
        try:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)
        except SafetensorError as err:  # the file system's error, wrapped
            raise OSError(errno.EIO, str(err), str(path)) from err


def _load(path: Path) -> Tensors:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as err:
        raise ValueError(f"{path}: expected a complete safetensors file: {err}; {_TODO}") from err
