"""Leases in a real S3 server, between real processes."""

import logging
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline.files import lease
from pipeline.files.lease import LostError
from pipeline.files.storage import Storage, StorageError
from tests.support import ROOT

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pipeline.files import lease
from pipeline.files.storage import Storage
lease.SECONDS = 3.0
with lease.held(Storage(sys.argv[2]), "run/lease"):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
print("released", flush=True)
"""


@pytest.fixture
def hold(bucket):
    """Start processes that hold the lease for some seconds."""
    started = []

    def hold(seconds):
        command = [sys.executable, "-c", HOLDER, str(ROOT), bucket, str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(autouse=True)
def brief(monkeypatch, caplog):
    monkeypatch.setattr(lease, "SECONDS", 3.0)
    caplog.set_level(logging.INFO, "pipeline")


@pytest.mark.slow
def test_a_lease_is_held_by_one_at_a_time_and_given_back(hold, bucket, caplog):
    process = hold(8)  # longer than it would last unrenewed
    began = time.monotonic()
    with lease.held(Storage(bucket), "run/lease") as held:
        assert time.monotonic() - began > 6
        assert process.stdout.readline() == "released\n"
        held.check()
        assert Storage(bucket).names() == ["run/lease"]
    assert Storage(bucket).names() == []
    [message] = caplog.messages
    assert f" {process.pid} " in message
    assert message.startswith("waiting for process ")
    assert message.endswith("it is taken over after 3 s without a sign of life")


def test_the_lease_of_a_killed_process_is_taken_over(hold, bucket, caplog):
    process = hold(60)
    process.send_signal(signal.SIGKILL)
    began = time.monotonic()
    with lease.held(Storage(bucket), "run/lease"):
        assert 3 < time.monotonic() - began < 20
    assert caplog.messages[-1].startswith("took run/lease over from process ")
    assert caplog.messages[-1].endswith(", which has not renewed it for 3 s")


def test_an_owner_that_was_stopped_for_too_long_has_lost_its_lease(bucket):
    storage = Storage(bucket)
    with lease.held(storage, "run/lease") as first:
        first.check()
        storage.put("run/lease", lease.Lease(storage, "run/lease", "another 1 abc").content())
        with pytest.raises(LostError, match=r"to be held by process .*, got another 1 abc; another process continues"):
            first.check()
        storage.delete(["run/lease"])
        with pytest.raises(LostError, match="got nobody"):
            first.check()
        storage.put("run/lease", lease.Lease(storage, "run/lease", "another 1 abc").content())
    assert storage.names() == ["run/lease"]  # the other's: it was not given back by us


@pytest.mark.slow
def test_one_of_many_waiting_processes_takes_over(bucket):
    storage, inside, most = Storage(bucket), [], []
    storage.put("run/lease", lease.Lease(storage, "run/lease", "dead 1 abc").content())

    def wait():
        with lease.held(Storage(bucket), "run/lease"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.3)
            inside.pop()

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


@pytest.mark.slow
def test_a_lease_survives_an_outage_longer_than_itself(wire, bucket, caplog):
    taken = threading.Event()

    def wait():
        with lease.held(Storage(bucket), "run/lease"):
            taken.set()

    with lease.held(Storage(bucket), "run/lease") as first:
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(1)
        wire.down()
        time.sleep(6)
        wire.up()
        assert not taken.wait(5)
        first.check()
    waiting.join(20)
    assert taken.is_set()
    assert not [message for message in caplog.messages if message.startswith("took")]


@pytest.mark.slow
def test_an_error_within_is_raised_at_once_where_the_storage_is_away_and_the_lease_runs_out(wire, bucket, caplog):
    def train():
        with lease.held(Storage(bucket), "run/lease"):
            wire.down()
            raise ValueError("the loss is not finite")

    began = time.monotonic()
    with pytest.raises(ValueError, match=r"^the loss is not finite$"):
        train()
    assert time.monotonic() - began < 20  # other requests are repeated for three minutes
    [message] = caplog.messages
    assert message.startswith("run/lease could not be given back, and runs out after 3 s: expected to read s3://")
    wire.up()
    with lease.held(Storage(bucket), "run/lease"):
        assert Storage(bucket).names() == ["run/lease"]


@pytest.mark.slow
def test_an_outage_when_the_work_is_done_is_no_error(wire, bucket):
    with lease.held(Storage(bucket), "run/lease"):
        wire.down()


def test_an_unreadable_lease_is_waited_for_and_taken_over(bucket):
    Storage(bucket).put("run/lease", b"[]")
    with lease.held(Storage(bucket), "run/lease") as held:
        held.check()


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_server_that_ignores_conditions_is_refused(wire, bucket, header):
    wire.renamed[header.lower().encode()] = b"x" * len(header)
    said = f"^expected {re.escape(bucket)} to refuse a write .* got it written: the server ignores {header}; update it"
    with pytest.raises(StorageError, match=said), lease.held(Storage(bucket), "lease"):
        pass
    assert Storage(bucket).names() == []
