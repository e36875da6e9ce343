"""Fetching and reading weights trained by others; no code in the file is run."""

import logging
import struct
from pathlib import Path
from pickle import UnpicklingError
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.files import repository
from pipeline.files.digest import file_sha256
from pipeline.files.redact import redact

# What the readers raise on a broken file: their own errors, and whatever torch's restricted unpickler fails with.
_FAULTS = (
    *(OSError, EOFError, SafetensorError, UnpicklingError, struct.error, MemoryError, RuntimeError, AssertionError),
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
)
_LONGEST = 160  # characters of a reader's own message


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of a state dict saved by torch.save, by name, on the CPU.

    Raises:
        ValueError: the file is missing, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except _FAULTS as err:
        raise ValueError(f"expected a file of tensors (.safetensors, or a state dict), got {_what(err)}") from err
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        kind = type(weights).__name__
        raise ValueError(
            f"expected a state dict, tensors by name, got a {kind} with other contents; save the network's state_dict()"
        )
    return weights


def _what(err: Exception) -> str:
    """Return in a line what a reader found, and what to do."""
    if isinstance(err, UnpicklingError):  # torch's own message suggests unpickling anyway
        return "other objects, of which no code was run; save the network's state_dict()"
    if isinstance(err, OSError):
        return f"{err.strerror or err}; correct the path, or make the file readable"
    reason = next(iter(str(err).splitlines()), "") or "nothing that can be read"
    return f"{type(err).__name__}: {reason[:_LONGEST]}; it is damaged or of another kind: fetch it again"


def is_address(path: str) -> bool:
    """Return whether a path is a web address."""
    return path.startswith(("https://", "http://"))


def locate(path: str, sha256: str | None, folder: Path) -> Path:
    """Return the absolute path of a file of weights; a web address is downloaded into `folder`, once.

    Args:
        path: of a file, or an http or https address.
        sha256: of the file, 64 hexadecimal digits, or None not to check it; required for an address.
        folder: for downloads; created if missing.

    Raises:
        ValueError: the file cannot be read or downloaded, or has another SHA-256; such a download is not kept.
    """
    if is_address(path):
        return _fetch(path, sha256 or "", folder)
    file = repository.user_path(path).resolve()
    if sha256 is not None:
        try:
            digest = file_sha256(file)
        except OSError as err:
            raise ValueError(f"{path}: expected a file of weights: {err}; correct model.vgg16") from err
        if digest != sha256.lower():
            raise ValueError(f"{path}: expected SHA-256 {sha256}, got {digest}; fetch it again, or correct model.vgg16")
    return file


def _fetch(address: str, sha256: str, folder: Path) -> Path:
    import pooch  # imported here, since workers and predictions do not need it
    import requests

    pooch.get_logger().setLevel(logging.WARNING)  # below that level, pooch prints addresses as they are
    try:
        name = f"{sha256[:16]}-{urlsplit(address).path.rpartition('/')[2]}"  # `read` goes by its ending
        return Path(pooch.retrieve(address, known_hash=f"sha256:{sha256}", fname=name, path=folder)).resolve()
    except (ValueError, OSError, requests.RequestException) as err:
        fault = f"{address}: expected weights of SHA-256 {sha256}: {err}; correct model.vgg16"
        raise ValueError(redact(fault)) from err
