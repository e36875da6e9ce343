import signal
import subprocess
import sys
import time

import pytest

from pipeline.tracking import delivery, runs, store
from pipeline.tracking.outbox import UNSENT, Outbox
from tests.support.local_server import free_port, serving
from tests.support.recorded import curve, recorded
from tests.support.tiny_run import ALL, assert_recorded_once, record_a_training, waiting


def test_a_record_that_the_store_refuses_stays_and_the_other_outboxes_are_sent(switch):
    runs.log_params(runs.start("tests", "b-refused"), {"epochs": 3})
    switch.on = False
    for name in ("a-sent", "b-refused", "c-sent"):
        runs.log_params(runs.start("tests", name), {"epochs": 4})
    switch.on = True
    first, second, third = delivery.sync(UNSENT, store.address())
    assert (first.training, first.error, third.training, third.error) == ("a-sent", None, "c-sent", None)
    assert (second.training, second.sent, second.left) == ("b-refused", {}, {"params": 1})
    assert second.error.startswith("expected epochs = 3")
    assert waiting("b-refused") == ["params"]


def test_an_outbox_is_sent_to_the_store_of_its_training_only(switch, request):
    switch.on = False
    runs.log_params(runs.start("tests", request.node.name), {"epochs": 4})
    switch.on = True
    (sent,) = delivery.sync(UNSENT, "sqlite:////elsewhere/mlflow.db")
    assert sent.left == {"params": 1}
    assert f"expected MLFLOW_TRACKING_URI={store.address()}" in sent.error
    assert "got sqlite:////elsewhere/mlflow.db; set it, or if the store has moved, correct runs/unsent/" in sent.error


def test_records_are_sent_to_the_experiment_of_the_training_not_of_the_shell_that_syncs(switch, request, monkeypatch):
    switch.on = False
    run = runs.start("tests", request.node.name)
    runs.log_params(run, {"epochs": 4})
    switch.on = True
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    assert [sent.error for sent in delivery.sync(UNSENT, store.address())] == [None]
    assert recorded(run).data.params == {"epochs": "4"}


SYNC_AND_DIE = """
import os, signal, sys
from pipeline.tracking import delivery, outbox, records, store
write, remaining = records.Writer.write, int(sys.argv[1])
def dying(writer, record):
    global remaining
    write(writer, record)
    remaining -= 1
    if remaining == 0:
        os.kill(os.getpid(), signal.SIGKILL)
records.Writer.write = dying
list(delivery.sync(outbox.UNSENT, store.address()))
"""


def sync_and_die(after):
    command = [sys.executable, "-c", SYNC_AND_DIE, str(after)]
    assert subprocess.run(command).returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_sync_that_was_killed_and_is_run_again_duplicates_nothing(switch, project, request):
    name, switch.on = request.node.name, False
    run = runs.start("tests", name)
    record_a_training(run, project)
    switch.on = True
    sync_and_die(after=12)
    assert Outbox(UNSENT / name).kinds() == ALL
    assert [sent.error for sent in delivery.sync(UNSENT, store.address())] == [None]
    assert_recorded_once(run)


def test_a_store_that_nobody_serves_does_not_delay_a_training(project, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "")  # both are set below
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    began = time.monotonic()
    record_a_training(runs.start("tests", "run-a"), project)
    assert time.monotonic() - began < 5
    assert Outbox(UNSENT / "run-a").kinds() == ALL
    (sent,) = delivery.sync(UNSENT, store.address())
    assert (sent.sent, sent.left) == ({}, ALL)
    assert sent.error.startswith("http://127.0.0.1:")
    assert "Connection refused" in sent.error
    assert "secret" not in caplog.text + sent.error
    assert not [path for path in UNSENT.rglob("*") if path.is_file() and "secret" in path.read_text()]


def serve(folder, port):
    """Run a real server, which keeps its records between starts."""
    command = ["server", "--backend-store-uri", "sqlite:///server.db", "--artifacts-destination", "kept"]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return serving(folder, *command, health="/health", port=port, **settings)


@pytest.mark.slow
def test_a_server_that_was_never_reachable_gets_all_once_from_a_killed_and_a_second_sync(project, monkeypatch):
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    run = runs.start("tests", "run-a")
    record_a_training(run, project)
    ended = time.time() * 1000
    with serve(project, port):
        sync_and_die(after=12)
        for _ in range(2):
            assert [sent.error for sent in delivery.sync(UNSENT, store.address())] in ([None], [])
        assert_recorded_once(run)
        assert len(store.client(run.uri).search_runs([recorded(run).info.experiment_id])) == 1
        assert recorded(run).info.start_time <= recorded(run).info.end_time <= ended


@pytest.mark.slow
def test_a_server_that_is_down_in_the_middle_and_back_at_the_end_gets_all_once(project, monkeypatch, caplog):
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    (project / "page.html").write_text("<p>")
    history = [{"epoch": epoch, "val/miou": epoch / 8} for epoch in range(1, 9)]
    with serve(project, port):
        run = runs.start("tests", "run-a")
        running = runs.running(run)
        running.__enter__()
        runs.log_history(run, history[:1])
    began = time.monotonic()
    runs.log_history(run, history[1:7])
    runs.log_files(run, [project / "page.html"])
    assert time.monotonic() - began < 10
    assert waiting("run-a") == ["metrics"] * 6 + ["file"]
    with serve(project, port):
        running.__exit__(None, None, None)
        assert recorded(run).info.status == "FINISHED"
        runs.log_history(run, history)
        assert curve(run, "val/miou") == [(epoch, epoch / 8) for epoch in range(1, 9)]
        assert [file.path for file in store.client(run.uri).list_artifacts(run.run_id)] == ["page.html"]
    assert not (UNSENT / "run-a").exists()
    assert caplog.messages[-1].endswith("answers again; the waiting records were sent")
