"""SegNet's inference in float32 and bfloat16 beside the usual SegNet's, in one run.

    python benchmarks/inference.py [--help]

Ours are as `predict.load` makes them: normalisation folded, channels_last, of either precision. The usual one is
SegNet as it is usually written (benchmarks/models.py), in float32. They take turns with the same image; the median of
the turns counts, of seconds and of each turn's ratio to the usual one.
"""

import argparse
import os
import runpy
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from pipeline.core.fuse import fold
from pipeline.core.models import MODELS
from pipeline.files import atomic
from pipeline.inference.predict import PRECISIONS

NUM_CLASSES = 11


@dataclass(frozen=True)
class Row:
    """A network: seconds an image, and how many times faster than the usual one, by the clock and the processor."""

    name: str
    seconds: float
    processor_seconds: float
    times_faster: tuple[float, float]


def networks(width: float) -> dict[str, nn.Module]:
    """Return the networks by name, the usual one first."""
    usual: nn.Module = runpy.run_path(str(Path(__file__).with_name("models.py")))["UsualSegNet"](NUM_CLASSES, width)
    ours = MODELS["segnet"](NUM_CLASSES, width)
    ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
    usual.load_state_dict(dict(zip(usual.state_dict(), ours.state_dict().values(), strict=True)))
    folded = {f"ours, {name}": fold(ours).to(dtype) for name, dtype in PRECISIONS.items()}
    return {"the usual one, float32": usual.eval(), **folded}


@torch.inference_mode()
def measure(width: float, size: tuple[int, int], rounds: int) -> list[Row]:
    """Return a row per network."""
    torch.manual_seed(1)
    image = torch.rand(1, 3, *size) * 255
    models = networks(width)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, model in models.items():
            x = image.to(next(model.parameters()).dtype)
            if name.startswith("ours"):
                x = x.contiguous(memory_format=torch.channels_last)
            start, processor = time.perf_counter(), time.process_time()
            model(x)
            if turn:  # the first turn is a warm-up
                taken[name].append((time.perf_counter() - start, time.process_time() - processor))
    usual = next(iter(taken.values()))
    rows = []
    for name, times in taken.items():
        seconds, processor_seconds = (statistics.median(each) for each in zip(*times, strict=True))
        pairs = list(zip(usual, times, strict=True))
        faster, processor_faster = (statistics.median(b[i] / t[i] for b, t in pairs) for i in (0, 1))
        rows.append(Row(name, seconds, processor_seconds, (faster, processor_faster)))
    return rows


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(360, 480), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=float, default=1.0, help="factor on the network's channels")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "inference.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    rows = measure(options.width, options.size, options.rounds)
    print(
        "| network | ms an image | processor's ms | times faster | processor's |\n| --- | ---: | ---: | ---: | ---: |"
    )
    for row in rows:
        times = f"{1000 * row.seconds:.0f} | {1000 * row.processor_seconds:.0f}"
        print(f"| {row.name} | {times} | {' | '.join(f'{ratio:.2f}' for ratio in row.times_faster)} |")
    print(f"{options.threads} threads; the machine's load before: {load:.1f}")
    setting = {key: value for key, value in vars(options).items() if key != "json"}
    atomic.write_json(options.json, {"load": load, "setting": setting, "networks": [asdict(row) for row in rows]})


if __name__ == "__main__":
    main()
