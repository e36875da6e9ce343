"""What a training takes: time, memory and disk. segnet plan says it, and training itself as it starts."""

import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from pipeline.params.training import Train

PATIENCE = 600.0
"""Seconds beyond which it is said what would make a training faster."""
_STATUS = Path("/proc/self/status")
_COPIES = {"adamw": 2, "sgd": 1, "nesterov": 1}  # of the weights, that an optimizer keeps


def peak_bytes(device: torch.device) -> int:
    """Return the most memory so far: of the GPU by this process if that is the device, else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if _STATUS.exists():  # Linux, where getrusage also counts what the process held that started this one
        return 1024 * int(_STATUS.read_text("ascii").partition("VmHWM:")[2].split()[0])
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def checkpoint_bytes(network: nn.Module, settings: "Train") -> int:
    """Return the size of the checkpoints that a training keeps: weights, the best ones, optimizer and average."""
    weights: int = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    return weights * (2 + _COPIES[settings.optimizer] + bool(settings.ema_decay)) * settings.keep_states


def size(num_bytes: float) -> str:
    """Return a size in words.

    Example:
        >>> [size(num_bytes) for num_bytes in (100, 2_340_000, 100_000_000)]
        ['0.1 MB', '2.3 MB', '0.1 GB']
    """
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{max(num_bytes / 1e6, 0.1):.1f} MB"


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> [duration(seconds) for seconds in (0.4, 42, 89, 150, 5400, 100_000)]
        ['0.4 s', '42 s', '89 s', '2 min', '90 min', '28 h']
    """
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def in_words(epoch_seconds: float, whole_seconds: float, num_epochs: float) -> str:
    """Return how long an epoch takes at the tiles' full size, and how long the training, as one line.

    Example:
        >>> in_words(42, 420, 10)
        '42 s per epoch, 7 min for 10 epochs'
        >>> in_words(42, 168, 10)
        '42 s per epoch at full size, 3 min for 10 epochs, of which some are smaller'
    """
    is_uniform = abs(whole_seconds - epoch_seconds * num_epochs) <= 0.001 * whole_seconds
    size, smaller = ("", "") if is_uniform else (" at full size", ", of which some are smaller")
    return f"{duration(epoch_seconds)} per epoch{size}, {duration(whole_seconds)} for {num_epochs:.0f} epochs{smaller}"
