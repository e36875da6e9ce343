"""What a training step moves between GPUs, and what a cluster of many would: sums from the network's own shapes.

    python benchmarks/cluster_model.py [--help]

Nothing is timed: docs/scaling.md says which figures were measured, and what these leave out. Gradients cross the
network in a ring over the M nodes, so that each node sends and gets 2 (M - 1) / M times their bytes (Patarasuk and
Yuan, Journal of Parallel and Distributed Computing 69, 2009); a small all-reduce takes 2 log2 M messages one after the
other (a binary tree, there and back). What GPUs of one node exchange is left out.
"""

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural
from pipeline.core.models import MODELS

CLASSES, HEIGHT, WIDTH = 11, 360, 480
GPUS_PER_NODE = 8
CLUSTERS = (8, 64, 256, 1000)
NETWORKS = {"25 Gbit/s, TCP": (25e9 / 8, 50e-6), "3,200 Gbit/s, InfiniBand": (3200e9 / 8, 5e-6)}
"""Bytes per second of a node, and seconds of a message; both assumed."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(MODELS), default="segnet")
    parser.add_argument("--tiles", type=natural, default=1_000_000, help="in the training split")
    options = parser.parse_args()
    with torch.device("meta"):
        model = MODELS[options.network](CLASSES, 1.0)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    layers = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    gradients = 4 * parameters
    print(f"{options.network}: {parameters:,} parameters, {layers} normalisations")
    print(f"gradients of a step: {gradients / 1e6:.1f} MB in float32")
    for name, copies in (("SGD with momentum", 3), ("AdamW", 4), ("AdamW, with a moving average", 5)):
        print(f"checkpoint (weights, those of the best epoch, optimizer), {name}: {copies * gradients / 1e6:.0f} MB")
    # A normalisation gathers its statistics forward and sums of gradients backward; the loss has one exchange more.
    small = 2 * layers + 1
    print(f"small collectives of a step on GPUs: {small}\n")
    print("| GPUs | nodes |", " | ".join(f"{name}: gradients ms | small ones ms" for name in NETWORKS), "|")
    print("| ---: | ---: |" + " ---: |" * 2 * len(NETWORKS))
    for gpus in CLUSTERS:
        nodes = math.ceil(gpus / GPUS_PER_NODE)
        cells = []
        for bytes_per_second, latency in NETWORKS.values():
            ring = 2 * (nodes - 1) / nodes * gradients / bytes_per_second
            tree = small * 2 * math.log2(nodes) * latency
            cells += [f"{1000 * ring:.1f}", f"{1000 * tree:.1f}"]
        print(f"| {gpus:,} | {nodes} | {' | '.join(cells)} |")
    tile = HEIGHT * WIDTH * 4
    total = options.tiles * tile
    print(f"\n{options.tiles:,} tiles of {WIDTH}x{HEIGHT}: {tile / 1e3:.0f} kB each, {total / 1e9:.0f} GB in all")
    for gpus in CLUSTERS:
        nodes = math.ceil(gpus / GPUS_PER_NODE)
        print(f"{gpus:,} GPUs: {nodes * total / 1e12:.1f} TB in the first epoch, if each node's cache holds all")


if __name__ == "__main__":
    main()
