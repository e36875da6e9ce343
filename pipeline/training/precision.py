"""The precision in which a network's products are computed; weights are float32 in any case."""

from contextlib import AbstractContextManager

import torch

from pipeline.core.models import on_gpus
from pipeline.training.errors import TrainingError

BITS = {"float32": 32, "tensorfloat32": 19, "bfloat16": 16}
"""Bits of a product's factors."""
_TENSORFLOAT32 = (8, 0)  # compute capability: Ampere


def resolved(precision: str, device: torch.device) -> str:
    """Return what a network computes in: a key of BITS.

    Args:
        precision: a key of BITS; or auto: bfloat16 if the device has fast instructions for it, else float32.
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


def products(precision: str, *, are_timed: bool) -> AbstractContextManager[None]:
    """Return the context in which GPUs compute what training does, for a key of BITS; `on_gpus.products`."""
    return on_gpus.products(are_rounded=precision == "tensorfloat32", are_timed=are_timed)


def hardware(device: torch.device) -> str:
    """Return a device's name, and how many threads a CPU computes with."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"the CPU, {threads} thread{'' if threads == 1 else 's'}"


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    # Intel's since Sapphire Rapids compute it by AMX. Where a virtual machine hides that, AVX512-BF16 takes longer than
    # float32: docs/performance.md.
    is_slow = has.get("avx512_fp16") and str(has.get("cpu_name", "")).startswith("Intel")
    return bool(has.get("amx_bf16") or has.get("arm_bf16") or (has.get("avx512_bf16") and not is_slow))


def _has_tensorfloat32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSORFLOAT32
