"""Predictors with small windows, and networks so simple that their predictions are known."""

import numpy as np
import torch
from torch import nn

from pipeline.artifacts.spec import Spec
from pipeline.core import tiles
from pipeline.core.classes import ClassTable
from pipeline.core.models import MODELS
from pipeline.inference.predict import Predictor

ALONE = {"flip": False, "scales": (1.0,), "samples": 0, "seed": 1}
"""Options of a Predictor that averages nothing."""
CLASSES = ClassTable(("dark", "bright"), ((0, 0, 0), (255, 255, 255)), (1, 1, 1), None)


def spec(scale=1.0, network="segnet"):
    return Spec(network, 1 / 16, CLASSES, "toy", tile_height=32, tile_width=48, scale=scale, run="r")


def predictor(model, *, scale=1.0, overlap=0.5, batch_size=3, **options):
    return Predictor(spec(scale), model, overlap=overlap, batch_size=batch_size, **{**ALONE, **options})


def network(name="segnet"):
    torch.manual_seed(1)
    return MODELS[name](2, 1 / 16).eval()


def image(height, width):
    return np.random.default_rng(2).integers(0, 256, (height, width, 3)).astype(np.uint8)


class Brightness(nn.Module):
    """Logits that depend only on the pixel: bright above 128."""

    def forward(self, x_N3HW):
        grey = (x_N3HW.mean(dim=1, keepdim=True) - 128) / 10
        return torch.cat([-grey, grey], dim=1)


class Place(nn.Module):
    """Logits that depend on the pixel and its position in the window, so overlapping windows disagree."""

    def forward(self, x_N3HW):
        height, width = x_N3HW.shape[2:]
        place = torch.linspace(-1, 1, height)[:, None] + torch.linspace(-2, 2, width)
        logits = place + (x_N3HW.mean(dim=1, keepdim=True) - 128) / 50
        return torch.cat([-logits, logits], dim=1)


class Recorder(nn.Module):
    """Returns a model's logits and records each batch."""

    def __init__(self, model):
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, x_N3HW):
        self.seen.append(self.model(x_N3HW))
        return self.seen[-1]

    def probabilities(self):
        return torch.cat(self.seen).softmax(dim=1).double().numpy()


class Drop(nn.Module):
    """Logits that are pure dropout: +2 or -2, whatever the image."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x_N3HW):
        logits = self.dropout(torch.full_like(x_N3HW[:, :1], 2)) - 2
        return torch.cat([-logits, logits], dim=1)


def blended(size, windows):
    """Return the (C, H, W) image blended from its windows, by plain loops over float64 arrays."""
    places = list(tiles.windows(size, (32, 48), (16, 24)))
    weight = tiles.gaussian_weight((32, 48)).astype(np.float64)
    sums, weights = np.zeros((2, *size)), np.zeros(size)
    for (top, left), window in zip(places, windows, strict=True):
        sums[:, top : top + 32, left : left + 48] += window * weight
        weights[top : top + 32, left : left + 48] += weight
    return sums / weights
