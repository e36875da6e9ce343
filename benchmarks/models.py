"""Time and memory of every network beside SegNet as usually written in PyTorch, all in one run.

    python benchmarks/models.py [--help]

The usual SegNet has the same layers and weight shapes, with nn.MaxPool2d and nn.MaxUnpool2d, PyTorch's default memory
layout, and batch normalisation that is not folded. The ratio of ours to it is what counts.
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural, one_of, positive
from pipeline.core.models import MODELS
from pipeline.core.recompute import recomputing

if TYPE_CHECKING:
    from pipeline.inference import compare

USUAL, LESS = "segnet (nn.MaxPool2d + nn.MaxUnpool2d)", "segnet (train.recompute)"
ENCODER = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class UsualSegNet(nn.Module):
    """SegNet (arXiv 1511.00561, Sec. 3), as usually written."""

    def __init__(self, num_classes: int, width: float) -> None:
        """Build the network."""
        super().__init__()
        levels = [[round(channels * width) for channels in level] for level in ENCODER]
        inputs = [3, *(level[-1] for level in levels[:-1])]
        self.encoder = nn.ModuleList(chain([a, *level]) for a, level in zip(inputs, levels, strict=True))
        outputs = [levels[0][0], *(level[-1] for level in levels[:-1])]
        decoder = [chain([*reversed(level), out]) for level, out in zip(levels[1:], outputs[1:], strict=True)]
        self.decoder = nn.ModuleList([*reversed(decoder), chain(levels[0])])
        self.classifier = nn.Conv2d(levels[0][0], num_classes, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2, return_indices=True, ceil_mode=True)
        self.unpool = nn.MaxUnpool2d(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB images (N, 3, H, W), 0..255."""
        memory = []
        for level in self.encoder:
            x = level(x)
            size = x.shape
            x, indices = self.pool(x)
            memory.append((indices, size))
        for level in self.decoder:
            indices, size = memory.pop()
            x = level(self.unpool(x, indices, output_size=size))
        logits: Tensor = self.classifier(x)
        return logits


def chain(channels: list[int]) -> nn.Sequential:
    """Return convolutions with batch normalisation and ReLU."""
    units = [(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(inplace=True)) for a, b in pairwise(channels)]
    return nn.Sequential(*(layer for unit in units for layer in unit))


class Recomputing(nn.Module):
    """Our SegNet as `train.recompute` trains it."""

    def __init__(self, num_classes: int, width: float) -> None:
        """Build the network."""
        super().__init__()
        self.network = MODELS["segnet"](num_classes, width)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Return the logits of float images (N, 3, H, W)."""
        with recomputing(self.network):
            logits: Tensor = self.network(x_N3HW)
        return logits


def unchanged(model: nn.Module) -> nn.Module:
    """Return the model unchanged: the usual one is not prepared for inference."""
    return model


def ratios(ours: "compare.Cost", usual: "compare.Cost") -> dict[str, float]:
    """Return how ours compares: times faster, and the fraction of the memory that it takes."""
    return {
        "inference, times faster": usual.forward_ms / ours.forward_ms,
        "backward, times faster": usual.backward_ms / ours.backward_ms,
        "peak inference memory, part": ours.inference_mb / usual.inference_mb,
        "peak training memory, part": ours.training_mb / usual.training_mb,
        "indices, part": ours.index_bytes / usual.index_bytes,
    }


def main() -> None:
    """Print the table and the ratios, and write both as JSON."""
    # Imported here: other benchmarks take the usual SegNet from this file, where these packages are missing.
    from pipeline.cli.compare import as_json, measured, table
    from pipeline.files import atomic
    from pipeline.inference import compare

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", type=one_of(MODELS), default=list(MODELS), metavar="NETWORK")
    parser.add_argument("--height", type=natural, default=360)
    parser.add_argument("--width", type=natural, default=480)
    parser.add_argument("--channels", type=positive, default=1.0)
    parser.add_argument("--repeats", type=natural, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "models.json")
    options = parser.parse_args()
    setting = compare.Setting(options.height, options.width, options.channels, options.repeats, options.device)
    usual = compare.Subject(UsualSegNet, unchanged, torch.contiguous_format)
    names = ["segnet", *(name for name in options.networks if name != "segnet")]
    less = compare.Subject(Recomputing, unchanged, torch.channels_last)
    costs = measured({USUAL: usual, LESS: less, **{name: compare.subject(name) for name in names}}, setting)
    comparison = ratios(costs["segnet"], costs[USUAL])
    comparison["peak training memory with train.recompute, part"] = costs[LESS].training_mb / costs[USUAL].training_mb
    print(table(costs, setting))
    print("\n".join(f"{name}: {value:.2f}" for name, value in comparison.items()))
    atomic.write_json(options.json, {**as_json(costs, setting), "segnet to the usual": comparison})


if __name__ == "__main__":
    main()
