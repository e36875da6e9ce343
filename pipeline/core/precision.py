"""Which type convolutions compute in."""

import torch


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the type to autocast to on `device`, or None for none.

    Args:
        precision: float32; bfloat16; or auto: bfloat16 where the device has instructions for it, else float32.
        device: where the network computes.
    """
    if precision == "float32" or (precision == "auto" and not _has_bfloat16(device)):
        return None
    return torch.bfloat16


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or has.get("avx512_bf16") or has.get("arm_bf16"))
