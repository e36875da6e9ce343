import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from pipeline.tracking.outbox import Destination, Outbox, unsent
from pipeline.tracking.records import Record

DESTINATION = Destination("http://127.0.0.1:5000", "tests")


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "unsent" / "run-a")


def waiting(outbox):
    """Return the records that another process finds."""
    return [(record.kind, record.content, record.at) for record in Outbox(outbox.folder).records()]


def test_records_wait_in_their_order(outbox):
    outbox.append(Record("tags", {"a": "b"}, at=7), DESTINATION)
    outbox.append(Record("metrics", {"metrics": {"val/miou": 0.1}, "step": 3}, at=5), DESTINATION)
    assert waiting(outbox) == [("tags", {"a": "b"}, 7), ("metrics", {"metrics": {"val/miou": 0.1}, "step": 3}, 5)]
    assert outbox.kinds() == {"tags": 1, "metrics": 1}
    assert outbox.destination() == DESTINATION
    assert [each.folder for each in unsent(outbox.folder.parent)] == [outbox.folder]


def test_a_record_is_on_disk_once_append_returns(outbox, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file)))
    outbox.append(Record("tags", {"a": "b"}, at=7), DESTINATION)
    written = (outbox.folder / "records.jsonl").stat()
    assert (synced[-1].st_ino, synced[-1].st_size) == (written.st_ino, written.st_size)


def test_a_training_that_resumes_at_another_store_takes_its_outbox_along(outbox):
    other = Destination("http://127.0.0.1:6000", "tests")
    outbox.append(Record("tags", {}), DESTINATION)
    outbox.append(Record("tags", {}), other)
    assert outbox.destination() == other


def test_files_and_folders_wait_as_they_were(outbox, tmp_path):
    (tmp_path / "plots").mkdir()
    for name in ("scores.json", "plots/a.png"):
        (tmp_path / name).write_text("old")
    for name in ("scores.json", "plots"):
        outbox.append(Record("file", {"folder": ""}, file=tmp_path / name), DESTINATION)
        (tmp_path / "scores.json").write_text("new")
    outbox.append(Record("file", {"folder": ""}, file=tmp_path / "scores.json"), DESTINATION)
    first, plots, second = [record.file for record in outbox.records()]
    assert (first.read_text(), (plots / "a.png").read_text(), second.read_text()) == ("old", "old", "new")
    assert first.name == second.name == "scores.json"


@pytest.mark.parametrize("torn", ['{"kind": "ta', '{"kind": "tags", "content": {}, "at": 2, "file": null}'])
def test_a_line_that_a_kill_truncated_is_ignored_and_spoils_no_other(outbox, torn):
    outbox.append(Record("tags", {"n": "1"}, at=1), DESTINATION)
    with (outbox.folder / "records.jsonl").open("a") as file:
        file.write(torn)
    assert waiting(outbox) == [("tags", {"n": "1"}, 1)]
    outbox.append(Record("tags", {"n": "3"}, at=3), DESTINATION)
    assert waiting(outbox) == [("tags", {"n": "1"}, 1), ("tags", {"n": "3"}, 3)]


def test_what_was_sent_is_removed_with_its_files(outbox, tmp_path):
    (tmp_path / "a").write_text("a")
    for _ in range(2):
        outbox.append(Record("file", {"folder": ""}, file=tmp_path / "a"), DESTINATION)
    sent = []

    def send(record):
        if len(sent) == 1:
            raise ConnectionError
        sent.append(record.file.read_text())

    with pytest.raises(ConnectionError):
        outbox.drain(send)
    assert sent == ["a"]
    assert len(list(outbox.folder.glob("file-*"))) == len(outbox.records()) == 1
    outbox.drain(lambda record: sent.append(record.file.read_text()))
    assert sent == ["a", "a"]
    assert not outbox.folder.exists()


def test_a_drain_that_is_killed_leaves_no_record_without_its_file(outbox, tmp_path, monkeypatch):
    (tmp_path / "a").write_text("a")
    outbox.append(Record("file", {"folder": ""}, file=tmp_path / "a"), DESTINATION)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            outbox.drain(lambda record: None)
    assert waiting(outbox) == []
    assert len(list(outbox.folder.glob("file-*/a"))) == 1
    outbox.drain(pytest.fail)  # the next one removes the rest
    assert not outbox.folder.exists()


def test_an_empty_outbox_leaves_nothing_on_disk(outbox):
    outbox.drain(pytest.fail)
    assert not outbox.folder.parent.exists()


WRITES = """
import sys
from pathlib import Path
from pipeline.tracking.outbox import Destination, Outbox
from pipeline.tracking.records import Record
outbox = Outbox(Path(sys.argv[1]))
for n in range(int(sys.argv[2])):
    outbox.append(Record("tags", {"n": n}), Destination("s", "e"))
    print(n, flush=True)
"""


def test_a_killed_process_has_lost_nothing_that_it_queued(outbox):
    command = [sys.executable, "-c", WRITES, outbox.folder, "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == 20:
                os.kill(process.pid, signal.SIGKILL)
        last = int(line)
    numbers = [record.content["n"] for record in outbox.records()]
    assert numbers == list(range(len(numbers)))
    assert last < len(numbers) <= last + 2
    outbox.append(Record("tags", {"n": "next"}), DESTINATION)  # the lock was released with its holder
    assert outbox.records()[-1].content == {"n": "next"}


def test_processes_that_write_at_once_lose_nothing(outbox):
    command = [sys.executable, "-c", WRITES, outbox.folder, "50"]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    drained = []
    while any(process.poll() is None for process in processes):
        outbox.drain(lambda record: drained.append(record.content["n"]))
    outbox.drain(lambda record: drained.append(record.content["n"]))
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(drained) == sorted([*range(50), *range(50)])


def test_what_is_sent_of_one_training_does_not_hold_up_another(outbox):
    outbox.append(Record("tags", {"a": "b"}), DESTINATION)
    other, done = Outbox(outbox.folder.with_name("run-b")), []

    def send(record):  # an upload of many minutes
        with subprocess.Popen([sys.executable, "-c", WRITES, other.folder, "1"]) as process:
            done.append(process.wait(timeout=60))

    outbox.drain(send)
    assert done == [0]
    assert len(other.records()) == 1


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "secret"}, "kind: expected one of status, .*, got secret"),
        ({"at": "now"}, "at: Input should be a valid integer"),
        ({"file": "/etc/passwd"}, "file: String should match pattern"),
        ({"file": "file-a/.."}, "file: String should match pattern"),
        ({"file": "file-a/../../a"}, "file: String should match pattern"),
        ({"unknown": 1}, "unknown: Unexpected keyword argument"),
    ],
)
def test_a_broken_record_is_refused_and_no_file_outside_is_sent(outbox, changes, fault):
    outbox.append(Record("tags", {}, at=7), DESTINATION)
    path = outbox.folder / "records.jsonl"
    path.write_text(
        path.read_text() + json.dumps({"kind": "tags", "content": {}, "at": 8, "file": None} | changes) + "\n"
    )
    with pytest.raises(
        ValueError, match=rf"records\.jsonl: expected line 2 to be a record .*: {fault}.*; remove the line"
    ):
        outbox.records()


def test_a_broken_destination_is_refused(outbox):
    outbox.append(Record("tags", {}), DESTINATION)
    message = r"origin\.json: expected the store and experiment of a training: .*; write them, or remove the folder"
    (outbox.folder / "origin.json").write_text("[]")
    with pytest.raises(ValueError, match=message):
        outbox.destination()
    (outbox.folder / "origin.json").unlink()
    with pytest.raises(ValueError, match=message):
        outbox.destination()


def test_a_score_that_is_nan_waits_too(outbox):
    outbox.append(Record("scores", {"test/miou": float("nan")}), DESTINATION)
    assert repr(outbox.records()[0].content) == "{'test/miou': nan}"
