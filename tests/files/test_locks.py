"""Tested with real locks between real processes."""

import errno
import fcntl
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline.files import locks
from tests.support import ROOT

HOLDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pipeline.files import locks
with locks.held(Path(sys.argv[2]), shared=sys.argv[3] == "shared"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold():
    """Start processes that hold a lock until they are killed."""
    started = []

    def hold(path, kind="alone"):
        command = [sys.executable, "-c", HOLDER, str(ROOT), str(path), kind]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_the_holder_of_a_lock_is_waited_for_even_if_it_is_killed(tmp_path, hold, caplog):
    caplog.set_level("INFO")
    path, order = tmp_path / "deeper" / "lock", []
    holder = hold(path)
    assert locks.is_held(path)

    def wait():
        with locks.held(path):
            order.append("held")

    thread = threading.Thread(target=wait)
    thread.start()
    while not caplog.messages:
        time.sleep(0.01)
    time.sleep(0.2)
    order.append("killed")
    holder.send_signal(signal.SIGKILL)
    thread.join(10)
    assert order == ["killed", "held"]
    assert caplog.messages == [f"waiting for the processes that hold {path}"]
    assert not locks.is_held(path)


def test_shared_holders_do_not_wait_for_each_other(tmp_path, hold, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "lock"
    hold(path, "shared")
    with locks.held(path, shared=True):
        assert locks.is_held(path)
    assert caplog.messages == []


def test_a_folder_can_be_the_lock(tmp_path):
    with locks.held(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_does_not_exist_is_not_held_and_not_created(tmp_path):
    assert not locks.is_held(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def refusing(reason):
    def flock(*_):
        raise OSError(reason, "no locks")

    return flock


def test_a_file_system_without_locks_is_reported_and_works(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    with locks.held(tmp_path / "lock"):
        assert not locks.is_held(tmp_path / "lock")
    text = "no locks on this file system (no locks); make sure no two processes train the same run"
    assert caplog.messages == [f"{tmp_path / 'lock'}: {text}"]


def test_another_error_of_the_file_system_is_raised(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refusing(errno.EIO))
    with pytest.raises(OSError, match="no locks"), locks.held(tmp_path / "lock"):
        pass
    with pytest.raises(OSError, match="no locks"):
        locks.is_held(tmp_path / "lock")
