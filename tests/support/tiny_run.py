"""Recording a training of two epochs, and checking what the store then holds."""

import time

from pipeline.tracking import runs, store
from pipeline.tracking.outbox import UNSENT, Outbox
from tests.support.recorded import curve, recorded

ALL = {"status": 2, "tags": 1, "document": 1, "params": 1, "dataset": 1, "metrics": 4, "file": 1, "scores": 2}
"""The number of its records of each kind."""


def record_a_training(run, folder, epochs=2):
    """Write records of all kinds, as the train and evaluate stages do."""
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
        time.sleep(0.002)  # MLflow's timestamps are in milliseconds
        runs.log_scores(run, {"test/miou": 0.25})


def assert_recorded_once(run, epochs=2):
    stored = recorded(run)
    assert curve(run, "val/miou") == [(epoch, epoch / 8) for epoch in range(1, epochs + 1)]
    assert [value for _, value in curve(run, "test/miou")] == [0.5, 0.25]
    assert (stored.info.status, stored.data.metrics["test/miou"]) == ("FINISHED", 0.25)
    assert stored.data.params == {"train.epochs": str(epochs)}
    assert [entry.dataset.name for entry in stored.inputs.dataset_inputs] == ["scenes"]
    files = {file.path for file in store.client(run.uri).list_artifacts(run.run_id)}
    assert files == {"environment.json", "reports"}


def waiting(name):
    """Return the kinds of the records in an outbox."""
    return [record.kind for record in Outbox(UNSENT / name).records()]
