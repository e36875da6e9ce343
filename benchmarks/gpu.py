"""On a GPU: the train stage's own step, pooling and inference beside the usual ones, in phases of under ten minutes.

    python benchmarks/gpu.py [PHASE ...] [--help]

It needs torch, numpy, pandas, pyarrow, pillow, safetensors, pydantic and ruamel.yaml, and neither Ray nor MLflow nor
DVC. Each row is written to the JSON file as soon as it is measured, so that a killed call loses one; a later call
replaces the rows of its phases alone. At its end a call prints all rows as Markdown tables, for docs/performance.md.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.device import CLASSES, LAST, Bench
from pipeline import params
from pipeline.core import pooling
from pipeline.core.fuse import fold
from pipeline.core.sync_batch_norm import synchronised
from pipeline.files import atomic
from pipeline.training import precision
from pipeline.training.learner import Learner

GFLOP = 640.0  # of an image of 360x480, forward and backward: benchmarks/roofline.py
Row = dict[str, Any]


def probe(bench: Bench) -> Iterator[Row]:
    """What the device reaches: products of matrices, copies, and the convolutions of SegNet's levels, in bfloat16."""
    side = 256 if bench.dry else 8192
    a = torch.randn(side, side, device=bench.device, dtype=torch.bfloat16)
    yield {"what": f"matrix {side}", "TFLOP/s": 2 * side**3 / bench.milliseconds(lambda: a @ a) / 1e9}
    x = torch.empty(2**16 if bench.dry else 2**30, dtype=torch.bfloat16, device=bench.device)
    yield {"what": "copy", "TB/s": 2 * x.nbytes / bench.milliseconds(x.clone) / 1e9}
    for channels, height, width in bench.levels:
        shape = (2 if bench.dry else 16, channels, height, width)
        y = torch.randn(shape, device=bench.device, dtype=torch.bfloat16).contiguous(memory_format=LAST)
        kernel = torch.randn(channels, channels, 3, 3, device=bench.device, dtype=torch.bfloat16)
        kernel = kernel.contiguous(memory_format=LAST)
        taken = bench.milliseconds(lambda y=y, kernel=kernel: F.conv2d(y, kernel, padding=1))  # type: ignore[misc]
        yield {"what": f"convolution {channels}x{height}", "TFLOP/s": 18 * channels**2 * y[:, 0].numel() / taken / 1e9}


def pools(bench: Bench) -> Iterator[Row]:
    """Pooling, unpooling and both gradients at each level, and the least time that their traffic takes."""
    for channels, height, width in bench.levels:
        torch.compiler.reset()
        shape = (2 if bench.dry else 16, channels, height, width)
        x = torch.randn(shape, device=bench.device, dtype=torch.bfloat16).contiguous(memory_format=LAST)
        x.requires_grad_()
        size, gradient = (height, width), torch.randn_like(x)

        def ours(x: Tensor, size: tuple[int, int] = size) -> Tensor:
            return pooling.unpool(*pooling.pool(x), size)

        def usual(x: Tensor, size: tuple[int, int] = size) -> Tensor:
            y, places = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            return F.max_unpool2d(y, places, [2, 2], [2, 2], output_size=list(size))

        def took(way: Callable[[Tensor], Tensor], x: Tensor = x, gradient: Tensor = gradient) -> float:
            return bench.milliseconds(lambda: torch.autograd.grad(way(x), x, gradient))

        row = {
            "level": f"{channels}x{height}x{width}",
            "ours ms": took(ours),
            "compiled ms": took(bench.compiled(ours)),
        }
        row |= {"PyTorch's ms": took(usual), "same bits": torch.equal(ours(x), usual(x))}
        row |= {"channels_last kept": ours(x).is_contiguous(memory_format=LAST)}
        yield row | {"least ms at 3 TB/s": 4 * 1.25 * x.nbytes / 3e12 * 1e3}


def step_of(bench: Bench, name: str, num: int) -> Callable[[], object]:
    """Return a step on `num` images: the learner's own, or that of the usual SegNet, in the way that the name says."""
    torch.compiler.reset()
    images, masks = bench.batch(num)
    weights = torch.ones(CLASSES, device=bench.device)
    if name.startswith("ours"):
        wanted = {"precision": "float32" if "float32" in name else "bfloat16", "ema_decay": 0.999, "batch_size": num}
        wanted |= {"compile": "compiled" in name and not bench.dry, "recompute": "recompute" in name}
        settings = params.load(Path(__file__).parents[1] / "presets" / "camvid.yaml").train.model_copy(update=wanted)
        network = bench.network()
        learner = Learner(synchronised(network) if "synchronised" in name else network, settings, (1.0,) * CLASSES)
        dropout = torch.zeros(num, device=bench.device)  # the network has none
        return lambda: learner.learn(images, masks, dropout=dropout, step=100, learning_rate=1e-3)
    model = bench.network("usual").train()
    if "channels_last" in name:
        model = model.to(memory_format=LAST)  # type: ignore[call-overload]
    else:
        images = images.contiguous()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def loss() -> Tensor:
        with torch.autocast(bench.device.type, torch.bfloat16):
            logits = model(images)
        return F.cross_entropy(logits.float(), masks, weights, ignore_index=CLASSES)

    forward = bench.compiled(loss) if "compiled" in name else loss

    def step() -> None:
        forward().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


STEPS = (
    *("usual, AMP", "usual, AMP, channels_last", "usual, AMP, channels_last, compiled"),
    *("ours", "ours, recompute", "ours, compiled", "ours, float32"),
    *("ours, synchronised", "ours, synchronised, compiled"),
)


@contextmanager
def settled(bench: Bench, name: str) -> Iterator[None]:
    """Compute products as training does in that way; what is synchronised is so over a group of this process alone."""
    group = bench.group() if "synchronised" in name else nullcontext()
    with group, precision.products("float32" if "float32" in name else "bfloat16", are_timed=True):
        yield


def steps(bench: Bench, num: int) -> Iterator[Row]:
    """Whole training steps of batches of `num` beside the usual SegNet's; ours with a moving average."""
    for name in STEPS:
        with settled(bench, name):
            step = step_of(bench, name, num)
            taken = bench.milliseconds(step)
            peak = bench.megabytes(step)
        row = {"step": name, "batch": num, "ms": taken, "images/s": 1000 * num / taken}
        yield row | {"TFLOP/s": GFLOP * num / taken, "MB an image, weights included": peak / num}
        del step


def waits(bench: Bench) -> Iterator[Row]:
    """Lines of a step of ours that wait for the device, which should be none, and how many kernels it starts."""
    for name in ("ours", "ours, compiled", "ours, synchronised", "ours, synchronised, compiled"):
        with settled(bench, name):
            yield from waits_of(bench, name)


def waits_of(bench: Bench, name: str) -> Iterator[Row]:
    """Yield the rows of one way."""
    step = step_of(bench, name, 2 if bench.dry else 4)
    step()
    if bench.dry:
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step()
        torch.cuda.set_sync_debug_mode("default")
    found = waiting(caught)
    for place in found:
        yield {"step": name, "waits": place}
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        bench.wait()
    kernels = [event for event in profile.key_averages() if event.self_device_time_total]
    yield {"step": name, "waits": f"{len(found)} in all", "kernels": sum(event.count for event in kernels)}
    for event in sorted(kernels, key=lambda event: -event.self_device_time_total)[:12]:
        taken = event.self_device_time_total / 1000
        yield {"step": name, "waits": event.key[:80], "kernels": event.count, "ms": taken}


def waiting(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    """Return the lines of which PyTorch warned that they wait; it also warns, once, that its warnings are new."""
    ours = [each for each in caught if "called a synchronizing CUDA operation" in str(each.message)]
    return [f"{each.filename}:{each.lineno}" for each in ours]


def infer(bench: Bench) -> Iterator[Row]:
    """Predictions: the usual SegNet, and ours with normalisation folded, in float32 and bfloat16."""
    for num in (1, 8):
        images, _ = bench.batch(num)
        ours, usual = fold(bench.network().eval()), bench.network("usual").eval()
        half = deepcopy(ours).to(torch.bfloat16)
        ways = {"usual": lambda: usual(images), "ours": lambda: ours(images), "bf16": lambda: half(images.bfloat16())}  # noqa: B023
        for name, way in ways.items():
            with torch.inference_mode(), precision.products("float32", are_timed=True):
                taken = bench.milliseconds(way)
                yield {"network": name, "images": num, "ms": taken, "images/s": 1000 * num / taken}


PHASES: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "probe": probe,
    "waits": waits,
    "pooling": pools,
    **{f"steps-{num}": partial(steps, num=num) for num in (4, 16, 32)},
    "inference": infer,
}


def markdown(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a table."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    yield f"| {' | '.join(keys)} |"
    yield "|" + " --- |" * len(keys)
    for row in rows:
        cells = [f"{value:.3g}" if isinstance(value := row.get(key, ""), float) else str(value) for key in keys]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure the phases, then print all that the JSON file holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phases", nargs="*", choices=[*PHASES, []], help="all by default")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "gpu.json")
    parser.add_argument("--dry", action="store_true", help="tiny and on the CPU")
    options = parser.parse_args()
    bench = Bench(options.dry)
    found = json.loads(options.json.read_text()) if options.json.exists() else {}
    device = "dry run" if options.dry else torch.cuda.get_device_name()
    found["machine"] = {"device": device, "torch": torch.__version__, "command": " ".join(sys.argv)}
    for name in options.phases or PHASES:
        found[name] = []
        for row in PHASES[name](bench):
            found[name].append(row)
            atomic.write_text(options.json, json.dumps(found, indent=1))
            print(name, json.dumps(row), flush=True)
    for name in PHASES:
        if found.get(name):
            print("", f"## {name}", *markdown(found[name]), sep="\n")


if __name__ == "__main__":
    main()
