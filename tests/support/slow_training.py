"""The driver of a training that lasts: python -m tests.support.slow_training TILES RUN FAILURES SECONDS.

It trains in float64, so that only what is tested could make a difference, and waits SECONDS after each epoch. What the
driver is told is printed, with the seconds since it started.
"""

import logging
import sys
import time
from pathlib import Path

from pipeline.cluster import run as cluster
from pipeline.cluster.run import Place, Plan
from pipeline.files import log
from pipeline.training import train
from pipeline.training.train import TrainingError
from pipeline.training.trainer import Job
from tests.support.tiny_training import ANYWHERE, SETTINGS, TINY, ignore

EPOCHS = 8


def main(tiles, folder, failures, seconds):
    began = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - began:6.1f} {text}", flush=True)

    def slowly(job, *, report, **options):  # defined here: it travels by value, tests do not
        import torch

        def wait_and_report(epoch):
            report(epoch)
            time.sleep(seconds)

        torch.set_default_dtype(torch.float64)
        train.fit(job, report=wait_and_report, **options)

    log.to_stderr()
    handler = logging.StreamHandler(sys.stdout)
    handler.emit = lambda record: say(record.getMessage())
    logging.getLogger("pipeline").handlers = [handler]
    changes = {"epochs": EPOCHS, "num_workers": 2, "precision": "float32"}
    job = Job(tiles, TINY, SETTINGS.model_copy(update=changes), (1.0, 1.0))
    plan = Plan(Place(folder, train.reads(job)), 2, failures, TrainingError, ANYWHERE, 4)
    with cluster.workers(slowly, job, plan) as workers:
        workers.run(on_report=lambda epoch: say(f"epoch {epoch['epoch']:g}"), on_progress=ignore, on_pictures=ignore)
    say("ended")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
