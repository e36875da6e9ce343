"""The least time that a training step of SegNet can take on a GPU, level by level, from its shapes alone.

    python benchmarks/roofline.py [--help]

For an image of 360x480, forward and backward, in bfloat16; nothing is measured. The defaults are what NVIDIA states for
an H100 SXM (989 TFLOP/s dense bfloat16, 3.35 TB/s), of which matrix products and copies reach about 0.8 and 0.9; give
the rates that `benchmarks/gpu.py probe` prints for the card at hand.

Convolutions: the arithmetic of outputs and of both gradients; the first needs no gradient of its input. Their traffic:
each of the three reads two of input, output and their gradients, or reads one and writes the other; weights are left
out. Arithmetic and traffic overlap: the larger counts.

What lies between convolutions is traffic alone, in passes over a level's values (`PASSES`):
  usual     normalisation reads twice and writes once, ReLU reads and writes; backward, ReLU reads twice and writes,
            normalisation reads twice for its sums, then twice and writes; nn.MaxPool2d and nn.MaxUnpool2d with int64
            indices, and outputs that are filled with zeros before.
  ours      the same normalisation and ReLU, pooling with two-bit codes in one kernel each way.
  compiled  ReLU is part of normalisation's passes, forward and backward.
  one pass  normalisation, ReLU and pooling read once and write once forward, in one kernel after a convolution that
            sums up its own statistics; backward they read twice and write once.
"""

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import positive
from pipeline.core.models import MODELS

CLASSES, SIZE = 11, (360, 480)
VALUE, INDEX, CODE = 2, 8, 0.25  # bytes: bfloat16, int64, two bits
# Passes over a unit's values (normalisation, ReLU), and over a level's widest map for pool, unpool and their gradients.
_POOLED = 1 / 4  # values that pooling leaves
_USUAL_POOLING = 4 * (1 + _POOLED * (1 + INDEX / VALUE)) + 2
_OUR_POOLING = 4 * (1 + _POOLED * (1 + CODE / VALUE))
PASSES = {
    "usual": (13.0, _USUAL_POOLING),
    "ours": (13.0, _OUR_POOLING),
    "compiled": (8.0, _OUR_POOLING),
    "one pass": (5.0, 4 * _POOLED * (1 + CODE / VALUE)),
}


@dataclass
class Level:
    """What one level of the network costs for an image, forward and backward."""

    flop: float = 0
    conv_bytes: float = 0
    unit_bytes: float = 0
    """Of one pass over what is normalised."""
    map_bytes: float = 0
    """Of one pass over the map that is pooled."""

    def milliseconds(self, way: str, flops: float, bandwidth: float) -> tuple[float, float, float]:
        """Return those of arithmetic, of the convolutions' traffic, and of the traffic between them."""
        unit, pooling = PASSES[way]
        between = unit * self.unit_bytes + pooling * self.map_bytes
        return 1e3 * self.flop / flops, 1e3 * self.conv_bytes / bandwidth, 1e3 * between / bandwidth


def levels(name: str = "segnet") -> dict[int, Level]:
    """Return the levels of a network by the height of their values, the highest first."""
    found: dict[int, Level] = defaultdict(Level)
    with torch.device("meta"):
        model = MODELS[name](CLASSES, 1.0).train()
        image = torch.empty(1, 3, *SIZE)

    def convolution(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        level, values = found[output.shape[2]], inputs[0].numel() + output.numel()
        is_first = inputs[0].shape[1] == 3
        level.flop += (2 if is_first else 3) * 2 * module.weight.numel() * output[0, 0].numel()
        level.conv_bytes += VALUE * (2 if is_first else 3) * values

    def normalisation(_: Any, __: Any, output: Tensor) -> None:
        level, size = found[output.shape[2]], VALUE * output.numel()
        level.unit_bytes += size
        level.map_bytes = max(level.map_bytes, size)  # the encoder pools its widest map

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(convolution)
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(normalisation)
    model(image)
    return dict(found)


def main() -> None:
    """Print a row for each level and their sum, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tflops", type=positive, default=0.8 * 989, help="rate of a matrix product (default: %(default).0f)"
    )
    parser.add_argument(
        "--bandwidth", type=positive, default=0.9 * 3.35, help="TB/s of a copy (default: %(default).2f)"
    )
    options = parser.parse_args()
    print(f"{options.tflops:.0f} TFLOP/s, {options.bandwidth:.2f} TB/s; milliseconds an image, forward and backward\n")
    print(f"| level | GFLOP | arithmetic | convolutions' traffic | {' | '.join(PASSES)} |")
    print("| --- |" + " ---: |" * (3 + len(PASSES)))
    rows, convolutions = [], 0.0
    for level in levels().values():
        ways = [level.milliseconds(way, options.tflops * 1e12, options.bandwidth * 1e12) for way in PASSES]
        arithmetic, traffic = ways[0][:2]
        convolutions += max(arithmetic, traffic)
        rows.append([level.flop / 1e9, arithmetic, traffic, *(between for *_, between in ways)])
    sums = [sum(column) for column in zip(*rows, strict=True)]
    for name, (gflop, *times) in [*((str(i + 1), row) for i, row in enumerate(rows)), ("all", sums)]:
        print(f"| {name} | {gflop:.0f} | {' | '.join(f'{value:.3f}' for value in times)} |")
    steps = [convolutions + between for between in sums[3:]]
    print(f"| whole step | | | {convolutions:.3f} | {' | '.join(f'{step:.3f}' for step in steps)} |")
    print(f"| of the matrix rate | | | | {' | '.join(f'{sums[1] / step:.0%}' for step in steps)} |")


if __name__ == "__main__":
    main()
