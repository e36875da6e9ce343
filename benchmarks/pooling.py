"""Time and saved bytes of our pooling and unpooling beside PyTorch's, at SegNet's five levels, in one run.

    python benchmarks/pooling.py [--help]

Both run alternately on the same channels_last tensors; the median of the repeats counts. A level's four operations are
pooling, unpooling, and the backward passes of both.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural
from pipeline.core.pooling import pool, unpool
from pipeline.files import atomic

LEVELS = ((64, 360, 480), (128, 180, 240), (256, 90, 120), (512, 45, 60), (512, 23, 30))  # channels, height, width
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Row:
    """One level: milliseconds of the four operations, and the bytes saved for them."""

    level: tuple[int, int, int]
    ours_ms: list[float]
    pytorch_ms: list[float]
    our_bytes: int
    pytorch_bytes: int


def operations(x: Tensor, kind: str) -> tuple[list[Callable[[], object]], int]:
    """Return our or PyTorch's four operations on x, (N, C, H, W), and the bytes saved for them."""
    size = (x.shape[2], x.shape[3])

    def pooled(x: Tensor) -> tuple[Tensor, Tensor]:
        return pool(x) if kind == "ours" else F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)

    def unpooled(y: Tensor, places: Tensor) -> Tensor:
        return unpool(y, places, size) if kind == "ours" else F.max_unpool2d(y, places, (2, 2), output_size=list(size))

    x = x.detach().requires_grad_()
    y, places = pooled(x)
    leaf = y.detach().requires_grad_()
    out = unpooled(leaf, places)
    grad_y, grad_out = torch.randn_like(y), torch.randn_like(out)
    steps: list[Callable[[], object]] = [
        lambda: pooled(x),
        lambda: torch.autograd.grad(y, x, grad_y, retain_graph=True),
        lambda: unpooled(leaf, places),
        lambda: torch.autograd.grad(out, leaf, grad_out, retain_graph=True),
    ]
    return steps, places.nbytes


def milliseconds(functions: list[Callable[[], object]], repeats: int, device: str) -> list[float]:
    """Return the median time of each function; they are called alternately."""
    times_by_function: list[list[float]] = [[] for _ in functions]
    for repeat in range(repeats + 1):
        for times, function in zip(times_by_function, functions, strict=True):
            _wait(device)
            start = time.perf_counter()
            function()
            _wait(device)
            if repeat:  # the first call is a warm-up
                times.append(1000 * (time.perf_counter() - start))
    return [statistics.median(times) for times in times_by_function]


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def measure(level: tuple[int, int, int], batch: int, dtype: str, device: str, repeats: int) -> Row:
    """Return one level's times and saved bytes, ours and PyTorch's."""
    channels, height, width = level
    x = torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(1))
    x = x.to(device, DTYPES[dtype]).contiguous(memory_format=torch.channels_last)
    (ours, our_bytes), (theirs, their_bytes) = operations(x, "ours"), operations(x, "PyTorch's")
    times = milliseconds([f for pair in zip(ours, theirs, strict=True) for f in pair], repeats, device)
    return Row(level, times[0::2], times[1::2], our_bytes, their_bytes)


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=natural, default=8)
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=natural, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=natural, default=7)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "pooling.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| level | PyTorch's ms: pool, its backward, unpool, its backward | ours | ours / PyTorch's | bytes kept |")
    print("| --- | --- | --- | ---: | ---: |")
    rows = []
    for level in LEVELS:
        rows.append(row := measure(level, options.batch, options.dtype, options.device, options.repeats))
        shown = (" ".join(f"{t:.1f}" for t in times) for times in (row.pytorch_ms, row.ours_ms))
        ratio = f"{sum(row.ours_ms) / sum(row.pytorch_ms):.2f}"
        name, saved = "x".join(map(str, level)), f"1/{row.pytorch_bytes / row.our_bytes:.0f}"
        print(f"| {name} | {' | '.join(shown)} | {ratio} | {saved} |")
    ours, theirs = sum(sum(row.ours_ms) for row in rows), sum(sum(row.pytorch_ms) for row in rows)
    print(f"all levels, {options.dtype}, {options.threads} threads: {ours / theirs:.2f} of PyTorch's time")
    machine = {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability(), "threads": options.threads}
    setting = {"batch": options.batch, "dtype": options.dtype, "device": options.device}
    atomic.write_json(options.json, {"machine": machine, "setting": setting, "levels": [asdict(row) for row in rows]})


if __name__ == "__main__":
    main()
