"""SegNet's inference in float32, bfloat16 and int8 beside the usual SegNet's, in one run.

    python benchmarks/inference.py [--help]

Ours are as `predict.load` makes them: normalisation folded, channels_last, of either precision; and as `segnet export`
writes them to ONNX, in float32 and int8, run by onnxruntime. The usual one is SegNet as it is usually written
(benchmarks/models.py), in float32. Weights are random, as are the tiles that int8's ranges come from. They take turns
with the same image; the median of the turns counts, of seconds and of each turn's ratio to the usual one.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.models import UsualSegNet
from benchmarks.options import natural, positive
from benchmarks.tiles import write_tiles
from pipeline.artifacts.model import write_model
from pipeline.artifacts.spec import Spec
from pipeline.artifacts.tileset import Tileset
from pipeline.core.fuse import fold
from pipeline.core.models import MODELS
from pipeline.files import atomic
from pipeline.inference import export, quantize
from pipeline.inference.predict import PRECISIONS

NUM_CLASSES = 11


@dataclass(frozen=True)
class Row:
    """A network: seconds an image, and how many times faster than the usual one, by the clock and the processor."""

    name: str
    seconds: float
    processor_seconds: float
    times_faster: tuple[float, float]


Network = Callable[[torch.Tensor], object]
"""Takes an image (1, 3, H, W), float32."""


def networks(options: argparse.Namespace, folder: Path) -> dict[str, Network]:
    """Return the networks by name, the usual one first; ONNX files are written into `folder`."""
    usual: nn.Module = UsualSegNet(NUM_CLASSES, options.width)
    ours = MODELS["segnet"](NUM_CLASSES, options.width)
    usual.load_state_dict(dict(zip(usual.state_dict(), ours.state_dict().values(), strict=True)))
    tiles = Tileset(write_tiles(folder / "tiles", 8, *options.size), "val")
    height, width = options.size
    spec = Spec("segnet", options.width, tiles.header.classes, "random", height, width, 1.0, "random")
    write_model(folder / "model", spec, ours.state_dict())
    export.export(folder / "model", folder / "float32.onnx", format="onnx")
    quantize.write(folder / "float32.onnx", folder / "int8.onnx", tiles)
    ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stub
    return {
        "the usual one, float32": usual.eval(),
        **{f"ours, {name}": _of_ours(fold(ours).to(dtype), dtype) for name, dtype in PRECISIONS.items()},
        **{f"ONNX, {name}": _of_file(folder / f"{name}.onnx", options.threads) for name in ("float32", "int8")},
    }


def _of_ours(model: nn.Module, dtype: torch.dtype) -> Network:
    return lambda image: model(image.to(dtype).contiguous(memory_format=torch.channels_last))


def _of_file(path: Path, threads: int) -> Network:
    import onnxruntime  # type: ignore[import-untyped]  # has no type annotations

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return lambda image: session.run(["logits"], {"image": image.numpy()})


@torch.inference_mode()
def measure(models: dict[str, Network], image: torch.Tensor, rounds: int) -> list[Row]:
    """Return a row per network."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, model in models.items():
            start, processor = time.perf_counter(), time.process_time()
            model(image)
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
    parser.add_argument("--size", type=natural, nargs=2, default=(360, 480), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=positive, default=1.0, help="factor on the network's channels")
    parser.add_argument("--threads", type=natural, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=natural, default=7)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "inference.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    torch.manual_seed(1)
    with TemporaryDirectory() as folder:
        models = networks(options, Path(folder))
        rows = measure(models, torch.rand(1, 3, *options.size) * 255, options.rounds)
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
