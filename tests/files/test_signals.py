"""Tested with real processes and real signals; test_torture.py interrupts a complete pipeline."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.files import signals
from stages import ORDER
from tests.support import ROOT

STAGE = """
import sys, time
from pathlib import Path
from pipeline.files import signals
from stages import execute
folder = Path(sys.argv[1])
signals._CLEAN_UP_SECONDS = 5
def main():
    try:
        (folder / "begun").touch()
        time.sleep(30)
    finally:
        {clean_up}
        (folder / "clean").touch()
execute(main)
"""


@pytest.fixture
def stage(tmp_path):
    """Start a stage with the given clean-up, and wait until it runs."""
    started = []

    def start(clean_up="time.sleep(0.5)", **environment):
        command = [sys.executable, "-c", STAGE.format(clean_up=clean_up), str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        started.append(process)
        wait_for(tmp_path / "begun")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(path, seconds=10):
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_stage_cleanly_and_a_second_one_does_not_disturb(stage, tmp_path, number, status):
    process = stage()
    process.send_signal(number)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=10)
    assert message == f"ended by {number.name}; the next dvc repro continues from what is complete\n"
    assert process.returncode == status
    assert (tmp_path / "clean").exists()


def test_an_error_of_the_clean_up_hides_neither_status_nor_message(stage):
    process = stage("raise OSError('gone')")
    process.terminate()
    _, message = process.communicate(timeout=10)
    assert message.startswith("ended by SIGTERM; ")
    assert message.count("\n") == 1
    assert process.returncode == 143


def test_a_clean_up_that_hangs_is_ended(stage):
    process = stage("time.sleep(30)")
    process.terminate()
    assert process.wait(timeout=10) == -signal.SIGALRM


@pytest.mark.parametrize("shell", [(), ("/bin/sh", "-c", '"$@"; exit $?', "sh")], ids=["directly", "by a shell"])
def test_a_stage_ends_when_the_dvc_that_started_it_is_killed(tmp_path, shell):
    dvc = "import os, subprocess, sys; subprocess.run(sys.argv[1:], env=os.environ | {'DVC_STAGE': 'tile'})"
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"} | {"PYTHONPATH": str(ROOT)}
    stage = [*shell, sys.executable, "-c", STAGE.format(clean_up="time.sleep(0)"), str(tmp_path)]
    command = [sys.executable, "-c", dvc, *stage]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as parent:
        wait_for(tmp_path / "begun")
        time.sleep(1.5)  # it has checked once
        assert not (tmp_path / "clean").exists()
        parent.kill()
        wait_for(tmp_path / "clean", seconds=5)
        assert "ended by SIGTERM" in parent.stderr.read()


def test_errors_pass_and_the_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(SystemExit, match="bad data"), signals.handled():
        sys.exit("bad data")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_terminated_block_ends_once_and_the_handler_is_restored():
    before, alarms = signal.getsignal(signal.SIGTERM), []

    @signals.terminable()
    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            alarms.append(signal.alarm(0))

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 143
    assert 0 < alarms[0] <= 60
    assert signal.getsignal(signal.SIGTERM) == before


def test_ray_may_not_keep_its_handler_of_sigterm():
    caught, before = [], signal.signal(signal.SIGTERM, lambda *_: caught.append("ours"))
    try:
        with signals.sigterm_kept():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
            signal.raise_signal(signal.SIGTERM)
        assert caught == ["ours"]
        signal.raise_signal(signal.SIGTERM)
        assert caught == ["ours", "ours"]
    finally:
        signal.signal(signal.SIGTERM, before)


# Sends the process a signal while it imports numpy, where torch swallows KeyboardInterrupt.
SITE = """
import os, sys
class Strike:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy.lib" and self in sys.meta_path:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number:d})
sys.meta_path.insert(0, Strike())
"""


@pytest.fixture
def struck(tmp_path):
    """Run a module that gets a signal as it starts; return its exit status and what it said."""

    def run(*words, number=signal.SIGINT, **environment):
        (tmp_path / "sitecustomize.py").write_text(SITE.format(number=number))
        paths = os.pathsep.join([str(ROOT), str(tmp_path)])
        command = [sys.executable, "-m", *words]
        settings = os.environ | {"PYTHONPATH": paths} | environment
        done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=() if stage == "train" else pytest.mark.slow) for stage in ORDER]
)
def test_a_signal_ends_a_stage_that_is_only_starting(struck, stage):
    said = "ended by {}; the next {} continues from what is complete\n"
    assert struck(f"stages.{stage}") == (130, said.format("SIGINT", "dvc repro"))
    fold = {"number": signal.SIGTERM, "SEGNET_FOLD": "runs/folds/1"}
    assert struck(f"stages.{stage}", **fold) == (143, said.format("SIGTERM", "segnet crossvalidate"))


def test_a_signal_ends_a_command_that_is_only_starting(struck):
    assert struck("pipeline.cli", "predict", "a.png") == (130, "")


def test_what_imports_stages_keeps_its_own_handlers(struck, tmp_path):
    (tmp_path / "other.py").write_text("import signal, stages\nprint(signal.getsignal(signal.SIGINT).__name__)")
    assert struck("other") == (0, "default_int_handler\n")
