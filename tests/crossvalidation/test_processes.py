"""Stages run in processes of their own, share the machine, and end with the first that fails."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pipeline.crossvalidation import processes
from pipeline.crossvalidation.processes import Processes, Slot, StageError, slots
from tests.support import ROOT

ALL = Slot(frozenset(), None)


@pytest.mark.parametrize(
    ("wanted", "gpus", "cores", "expected"),
    [
        (None, [], range(2), [({0, 1}, None)]),
        (None, [], range(9), [({0, 2, 4, 6, 8}, None), ({1, 3, 5, 7}, None)]),
        (2, [], range(2), [({0}, None), ({1}, None)]),
        (None, ["0", "3"], range(4), [({0, 2}, "0"), ({1, 3}, "3")]),
        (1, ["0", "3"], range(4), [({0, 1, 2, 3}, "0")]),
    ],
)
def test_a_machine_is_divided_by_its_gpus_or_its_cores(wanted, gpus, cores, expected):
    assert [(set(each.cores), each.gpu) for each in slots(wanted, gpus, list(cores))] == expected


@pytest.mark.parametrize(("gpus", "room"), [([], "2 cores"), (["0"], "1 GPUs")])
def test_more_jobs_than_there_is_room_for_are_refused(gpus, room):
    with pytest.raises(ValueError, match=f"--jobs: expected at most the {room} of this machine, got 3; lower it"):
        slots(3, gpus, [0, 1])


@pytest.fixture
def stage(tmp_path):
    """Return a function that makes a folder whose stage `tile` is the given code."""

    def make(code, name="a"):
        (tmp_path / name / "stages").mkdir(parents=True)
        (tmp_path / name / "stages" / "__init__.py").touch()
        (tmp_path / name / "stages" / "tile.py").write_text(code)
        return tmp_path / name

    return make


def run(processes, folder, slot=ALL, **variables):
    processes.run("tile", folder, folder.with_suffix(".log"), slot, variables)


def test_a_stage_runs_in_its_folder_with_its_share_of_the_machine(stage):
    core = min(os.sched_getaffinity(0))
    code = "import os, time; time.sleep(1); print(os.getcwd(), os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OWN'], "
    folder = stage(code + "os.sched_getaffinity(0), os.environ['PYTHONPATH'].split(':')[0])")
    run(Processes([ALL]), folder, Slot(frozenset({core}), "3"), OWN="x")
    assert folder.with_suffix(".log").read_text() == f"{folder} 3 x {{{core}}} {ROOT}\n"


def test_a_stage_finds_its_repository_where_runs_is_a_link(stage, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "runs").symlink_to(tmp_path / "disk")
    code = "from pipeline.files import repository; print(repository.root(), repository.fold())"
    fold = "runs/folds/folds-0123456789abcdef/1"
    folder = stage(code, name=f"repository/{fold}")
    run(Processes([ALL]), folder)
    assert folder.with_suffix(".log").read_text() == f"{tmp_path}/repository {fold}\n"


def test_a_stage_that_fails_is_named_with_its_last_words_and_the_log_keeps_all(stage, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    folder = stage("import sys\nprint('first')\nsys.exit('error: no room')")
    folder.with_suffix(".log").write_text("from before\n")
    with pytest.raises(StageError, match=rf"^tile failed: error: no room; all it said: {folder}\.log$"):
        run(Processes([ALL]), folder)
    assert folder.with_suffix(".log").read_text() == "from before\nfirst\nerror: no room\n"


def test_a_stage_that_says_nothing_is_named_with_its_status(stage):
    folder = stage("import os; os._exit(7)")
    with pytest.raises(StageError, match=r"^tile failed: exit status 7; all it said: "):
        run(Processes([ALL]), folder)


def test_of_failures_before_the_others_are_ended_the_first_is_raised(monkeypatch):
    def all_done(futures, **_):
        concurrent.futures.wait(futures)
        return SimpleNamespace(done=futures[::-1])  # it is a set, of any order

    def fail(number, slot):
        raise StageError(str(number))

    monkeypatch.setattr(processes, "wait", all_done)
    with pytest.raises(StageError, match=r"^0$"):
        Processes([ALL]).each([partial(fail, number) for number in range(2)])


def test_the_first_failure_ends_the_others_and_starts_no_more(stage):
    waits = stage("import time; time.sleep(300)", "waits")
    fails = stage("import sys; sys.exit('broken')", "fails")
    never = stage("open('started', 'w')", "never")
    processes, began = Processes([ALL, ALL]), time.monotonic()
    tasks = [lambda slot, folder=folder: run(processes, folder, slot) for folder in (waits, fails, never)]
    with pytest.raises(StageError, match="broken"):
        processes.each(tasks)
    assert time.monotonic() - began < 100
    with pytest.raises(StageError, match="tile was not started, since another fold failed"):
        run(processes, never)


def test_no_more_run_at_once_than_there_are_slots():
    running, most, lock = [0], [0], threading.Lock()

    def task(slot):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1

    Processes([ALL, ALL]).each([task] * 7)
    assert most == [2]


DRIVER = """
import sys
from pathlib import Path
from pipeline.crossvalidation import processes
from pipeline.crossvalidation.processes import Processes, Slot
from pipeline.files import signals
folder = Path(sys.argv[1])
with signals.handled("segnet crossvalidate"):
    processes = Processes([Slot(frozenset(), None)])
    processes.each([lambda slot: processes.run("tile", folder, folder.with_suffix(".log"), slot, {})])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_stages_too(stage, number):
    folder = stage("import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(300)")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRIVER, str(folder)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as driver:
        while not (folder / "pid").exists() or not (folder / "pid").read_text():
            assert driver.poll() is None
            time.sleep(0.1)
        driver.send_signal(number)
        _, said = driver.communicate()
    assert driver.returncode == 128 + number
    assert said == f"ended by {number.name}; the next segnet crossvalidate continues from what is complete\n"
    assert not psutil.pid_exists(int(Path(folder / "pid").read_text()))
