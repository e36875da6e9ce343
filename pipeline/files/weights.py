"""Reading somebody else's trained weights; nothing in the file is run."""

from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of a state dict saved by torch.save, by name, on the CPU.

    Raises:
        ValueError: no such file, or not one that holds tensors alone.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, UnpicklingError, RuntimeError, EOFError) as err:
        raise ValueError(f"{path}: expected a file of tensors (.safetensors, or a state dict): {err}") from err
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"{path}: expected a state dict, tensors by name, got {type(found).__name__} of other things")
    return found
