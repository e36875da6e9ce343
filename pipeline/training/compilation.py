"""Compiling a network with torch.compile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from pipeline.core import pooling
from pipeline.training.errors import TrainingError


def is_wanted(choice: Literal["auto"] | bool, device: torch.device) -> bool:
    """Return whether to compile; auto: on a GPU, where Triton runs, which needs a C compiler.

    On a CPU, a compiled SegNet trains no faster, and takes a minute to compile.
    """
    if choice != "auto":
        return choice
    return device.type == "cuda" and pooling.runs_triton()


@contextmanager
def explained() -> Iterator[None]:
    """Say which param to change where a network, used in the block, cannot be compiled.

    Raises:
        TrainingError: it cannot.
    """
    try:
        yield
    except Exception as err:
        from torch._dynamo.exc import TorchDynamoException  # imported here: it takes a second

        if not isinstance(err, TorchDynamoException):
            raise
        reason = " ".join(str(err).partition("\n\n")[0].split())
        raise TrainingError(
            f"train.compile: expected a network that torch.compile can compile here, got {reason}; install a "
            "C++ compiler and, for a GPU, Triton, or set it to false"
        ) from err
