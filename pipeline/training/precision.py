"""The precision in which a network's products are computed; weights are float32 in any case."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.training.errors import TrainingError

BITS = {"float32": 32, "tensorfloat32": 19, "bfloat16": 16}
"""Bits of a product's factors."""
_TENSORFLOAT32 = (8, 0)  # compute capability: Ampere


def resolved(precision: str, device: torch.device) -> str:
    """Return what a network computes in: a key of BITS.

    Args:
        precision: a key of BITS; or auto: bfloat16 if the device has instructions for it, else float32.
        device: where the network computes.

    Raises:
        TrainingError: the device does not have it.
    """
    if precision == "auto":
        return "bfloat16" if _has_bfloat16(device) else "float32"
    if precision == "tensorfloat32" and not _has_tensorfloat32(device):
        raise TrainingError(
            f"train.precision: expected a GPU since Ampere for tensorfloat32, got {device.type}; choose float32 or auto"
        )
    return precision


def autocast_type(precision: str) -> torch.dtype | None:
    """Return the dtype to autocast to for a key of BITS, or None not to autocast."""
    return torch.bfloat16 if precision == "bfloat16" else None


@contextmanager
def on_gpus(precision: str, *, is_deterministic: bool) -> Iterator[None]:
    """Tell GPUs how to compute products of float32, and convolutions.

    Args:
        precision: a key of BITS. Factors of float32 are rounded to 10 bits only if it is tensorfloat32; by default
            PyTorch does so in convolutions, whatever it is asked for.
        is_deterministic: if not, the fastest of cuDNN's algorithms is found by trial, for each size once.
    """
    timed, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, not is_deterministic
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "tf32" if precision == "tensorfloat32" else "ieee"
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value
        torch.backends.cudnn.benchmark = timed


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or has.get("avx512_bf16") or has.get("arm_bf16"))


def _has_tensorfloat32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSORFLOAT32
