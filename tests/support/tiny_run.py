"""A training of two epochs, as it is recorded, and what the store then holds."""

import time

from pipeline.tracking import runs, store
from pipeline.tracking.outbox import UNSENT, Outbox
from tests.support.recorded import curve, recorded

ALL = {"status": 2, "tags": 1, "document": 1, "params": 1, "dataset": 1, "metrics": 4, "file": 1, "scores": 2}
"""The records of it."""


def record_a_training(run, folder, epochs=2):
    """Record all kinds of records as the train and evaluate stages do."""
    (folder / "history.csv").write_text("epoch\n")
    with runs.running(run):
        runs.log_environment(run)
        runs.log_params(run, {"train": {"epochs": epochs}})
        runs.log_dataset(run, "scenes", "0" * 32 + ".dir", source="data/tiles", context="training")
        history = [{"epoch": epoch, "val/miou": epoch / 8} for epoch in range(1, epochs + 1)]
        for epoch in history:
            runs.log_history(run, [epoch])
        runs.log_history(run, history)
        runs.log_files(run, [folder / "history.csv"], "reports")
        runs.log_scores(run, {"test/miou": 0.5})
        time.sleep(0.002)  # MLflow counts milliseconds
        runs.log_scores(run, {"test/miou": 0.25})


def assert_recorded_once(run, epochs=2):
    found = recorded(run)
    assert curve(run, "val/miou") == [(epoch, epoch / 8) for epoch in range(1, epochs + 1)]
    assert [value for _, value in curve(run, "test/miou")] == [0.5, 0.25]
    assert (found.info.status, found.data.metrics["test/miou"]) == ("FINISHED", 0.25)
    assert found.data.params == {"train.epochs": str(epochs)}
    assert [entry.dataset.name for entry in found.inputs.dataset_inputs] == ["scenes"]
    files = {file.path for file in store.client(run.uri).list_artifacts(run.run_id)}
    assert files == {"environment.json", "reports"}


def waiting(name):
    """The kinds of the records in an outbox."""
    return [record.kind for record in Outbox(UNSENT / name).records()]
