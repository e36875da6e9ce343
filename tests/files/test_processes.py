import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.files import processes


def own_pid(item):
    return item, os.getpid()


def test_each_item_is_worked_on_once_by_one_of_the_processes():
    with processes.pool(own_pid, 2, "test", "wait") as submit:
        parts = [submit(range(start, start + 3)) for start in range(0, 30, 3)]
        results = [result for part in parts for result in part.result()]
    assert [item for item, _ in results] == list(range(30))
    assert 1 <= len({pid for _, pid in results} - {os.getpid()}) <= 2
    assert not any(psutil.pid_exists(pid) for _, pid in results)


def interrupt(item):
    os.kill(os.getpid(), signal.SIGINT)
    return item


def refuse(item):
    raise ValueError(f"item {item}")


def die(item):
    os.kill(os.getpid(), signal.SIGKILL)


def test_of_ctrl_c_the_processes_learn_nothing_and_an_error_in_the_work_reaches_the_caller():
    with processes.pool(interrupt, 1, "test", "wait") as submit:
        assert submit([7]).result() == [7]
    with pytest.raises(ValueError, match="item 3"), processes.pool(refuse, 1, "test", "wait") as submit:
        submit([3]).result()


def test_a_process_that_is_killed_is_said():
    expected = (
        r"expected 2 processes to draw, got one that was killed \(out of memory\?\); close a window, then try again"
    )
    with pytest.raises(ValueError, match=expected), processes.pool(die, 2, "draw", "close a window") as submit:
        submit([1]).result()


def wait(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


SCRIPT = """
import sys
from pipeline.files import processes
from tests.files.test_processes import wait
with processes.pool(wait, 1, "test", "wait") as submit:
    submit([sys.argv[1]]).result()
"""


def test_they_end_with_the_process_that_started_them_even_if_that_is_killed(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "pid")])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
    worker = int((tmp_path / "pid").read_text())
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
