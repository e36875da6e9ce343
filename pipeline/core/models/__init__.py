"""The networks by name: one file each, all on the same parts."""

from collections.abc import Callable

from torch import nn

from pipeline.core.models.segnet import SegNet

# name -> builder(num_classes, width); every network maps (N, 3, H, W) to logits (N, num_classes, H, W).
MODELS: dict[str, Callable[[int, float], nn.Module]] = {
    "segnet": SegNet,
}
