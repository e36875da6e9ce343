"""A tracking store that a test can make unreachable."""

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from pipeline.tracking import delivery, runs, store


class Switch:
    """Whether the store answers; initially on."""

    def __init__(self, monkeypatch):
        self.on = True
        monkeypatch.setattr(store, "probe", self._probe)
        monkeypatch.setattr(delivery, "_PAUSE_SECONDS", 0)

    def _probe(self, uri):
        if not self.on:
            raise MlflowException("the store is away", TEMPORARILY_UNAVAILABLE)


def as_after_a_restart():
    """Forget what the process knows about its runs."""
    runs._delivery.cache_clear()
