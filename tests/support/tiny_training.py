"""Training on tiny tiles, in this process."""

from types import SimpleNamespace

import torch

from pipeline import params
from pipeline.params.model import Model
from pipeline.training import checkpoint, train
from pipeline.training.trainer import Job
from tests.support import SCENES

ANYWHERE = params.load(SCENES).placement
CPU = torch.device("cpu")
TINY = Model(name="segnet", width=1 / 16, dropout=0.0, vgg16=None, start_from=None)
# Three epochs of nine tiles in steps of four end after 3, 5 and 7 steps; every checkpoint is kept.
SETTINGS = params.load(SCENES).train.model_copy(
    update={
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "warmup_epochs": 0.0,
        "seed": 5,
        "checkpoint_minutes": None,
        "keep_states": 99,
    }
)


def ignore(_):
    """Do nothing, as a listener."""


def fit(tiles, settings, folder, *, network=TINY, weights=(1.0, 3.0), initial=None, pictures=ignore):
    """Train; return the reports, the messages and the last checkpoint."""
    folder.mkdir(exist_ok=True)
    reports, messages = [], []
    job = Job(tiles, network, settings, weights, initial)
    listeners = {"progress": ignore, "pictures": pictures, "say": messages.append}
    train.fit(job, folder=folder, device=CPU, report=reports.append, **listeners)
    precisions = [text for text in messages if text.startswith("computing in ")]
    others = [text for text in messages if text not in precisions]
    return SimpleNamespace(reports=reports, messages=others, precisions=precisions, state=checkpoint.last(folder))
