"""Time and memory of every network beside SegNet as it is usually written in PyTorch, all in one run.

    python benchmarks/models.py [--help]

The usual SegNet has the same layers and weights' shapes, with nn.MaxPool2d and nn.MaxUnpool2d, in PyTorch's default
memory layout, and batch normalisation that is not folded. Ours divided by it is the ratio that counts.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.cli.compare import as_json, measured, table
from pipeline.core.models import MODELS
from pipeline.files import atomic
from pipeline.inference import compare

USUAL = "segnet (nn.MaxPool2d + nn.MaxUnpool2d)"
ENCODER = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class UsualSegNet(nn.Module):
    """SegNet (arXiv 1511.00561, Sec. 3), the usual way."""

    def __init__(self, num_classes: int, width: float) -> None:
        """Build it."""
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
        """Return logits (N, C, H, W) of images (N, 3, H, W)."""
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


def as_it_is(model: nn.Module) -> nn.Module:
    """Return the model, which nobody prepares for inference."""
    return model


def ratios(ours: compare.Cost, usual: compare.Cost) -> dict[str, float]:
    """Return how ours compares: times faster, and the part of the memory that it takes."""
    return {
        "inference, times faster": usual.forward_ms / ours.forward_ms,
        "backward, times faster": usual.backward_ms / ours.backward_ms,
        "peak inference memory, part": ours.inference_mb / usual.inference_mb,
        "peak training memory, part": ours.training_mb / usual.training_mb,
        "indices, part": ours.index_bytes / usual.index_bytes,
    }


def main() -> None:
    """Print the table and the ratios, and write both as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(MODELS))
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--channels", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "models.json")
    given = parser.parse_args()
    setting = compare.Setting(given.height, given.width, given.channels, given.repeats, given.device)
    usual = compare.Subject(UsualSegNet, as_it_is, torch.contiguous_format)
    names = ["segnet", *(name for name in given.networks if name != "segnet")]
    costs = measured({USUAL: usual, **{name: compare.subject(name) for name in names}}, setting)
    found = ratios(costs["segnet"], costs[USUAL])
    print(table(costs))
    print("\n".join(f"{name}: {value:.2f}" for name, value in found.items()))
    atomic.write_json(given.json, {**as_json(costs, setting), "segnet to the usual": found})


if __name__ == "__main__":
    main()
