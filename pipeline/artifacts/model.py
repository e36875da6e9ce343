"""A model on disk: safetensors beside a JSON file; reading it cannot run code."""

import errno
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.artifacts.spec import TODO, Spec, read_spec
from pipeline.core.models import MODELS
from pipeline.files import atomic

Tensors = Mapping[str, Tensor]
Metrics = dict[str, float]


def write_model(folder: Path, spec: Spec, weights: Tensors) -> None:
    """Write model.safetensors and model.json, replacing `folder`; the same model gives the same bytes."""
    with atomic.replacing(folder) as temporary:
        temporary.mkdir()
        save_tensors(temporary / "model.safetensors", weights)
        atomic.write_json(temporary / "model.json", asdict(spec))


def read_model(folder: Path) -> tuple[Spec, nn.Module]:
    """Return a model that `write_model` wrote, in evaluation mode.

    Raises:
        ValueError: a file is missing, or the weights are not those of the network that model.json names.
    """
    spec = read_spec(folder)
    if spec.network not in MODELS:
        raise ValueError(f"{folder}: expected a network among {', '.join(MODELS)}, got {spec.network}; {TODO}")
    weights = dict(_load(folder / "model.safetensors"))
    try:
        model = MODELS[spec.network](len(spec.classes), spec.width)
        model.load_state_dict(weights)
    except RuntimeError as err:
        raise ValueError(
            f"{folder}: expected the weights of {spec.network} at width {spec.width:g}: {err}; {TODO}"
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
        raise ValueError(f"{path}: expected a complete safetensors file: {err}; {TODO}") from err
