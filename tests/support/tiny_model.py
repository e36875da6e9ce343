"""A model with random weights, as the train stage writes it."""

import torch

from pipeline.artifacts import model as models
from pipeline.artifacts.spec import Spec
from pipeline.core.classes import CAMVID
from pipeline.core.models import MODELS

SPEC = Spec("segnet", 0.0625, CAMVID, "scenes", 32, 64, 1.0, "run-a")


def write_model(folder, spec=SPEC, seed=0):
    """Write a model whose masks hold several classes; another seed gives another model."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = MODELS[spec.network](len(spec.classes), spec.width)
    with torch.no_grad():
        network.classifier.weight *= 50
    models.write_model(folder, spec, network.state_dict())
    return folder
