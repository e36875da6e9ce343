"""How GPUs compute a network's products of float32."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_turn = threading.Lock()


@contextmanager
def products(*, are_rounded: bool = False, are_timed: bool = False) -> Iterator[None]:
    """Compute products of float32 in float32 in the block, which PyTorch by default does not do in convolutions.

    The switches are the process's: only one thread may be in such a block.

    Args:
        are_rounded: whether convolutions round factors to 10 bits (TensorFloat-32), for speed. Other products never
            are: among them are those of the coordinates by which images are augmented.
        are_timed: whether the fastest of cuDNN's algorithms is found by trial, for each size once; results may then
            differ from run to run.
    """
    # By the older switches: where the newer ones (fp32_precision) are set, older getters, which torch.compile uses,
    # raise errors (PyTorch 2.13).
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    try:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = False, are_rounded, are_timed
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Be in `products()` on a GPU, where threads take turns; on a CPU, products are exact, and no thread waits."""
    if device.type == "cuda":
        with _turn, products():
            yield
    else:
        yield
