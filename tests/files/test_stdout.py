import os
import subprocess
import sys
from pathlib import Path

from pipeline.files.stdout import outlived
from tests.support import ROOT

STAGE = """
from pathlib import Path
from pipeline.files.terminal import say
from stages import execute

def main():
    for _ in range(5000):
        say("an image is done")
    Path("written").touch()
    say("the stage is done")

execute(main)
"""


def run(folder, stdout):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STAGE]
    return subprocess.run(command, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)


def test_what_else_a_stream_has_is_asked_of_it(capsys):
    before = sys.stdout
    with outlived():
        assert (sys.stdout.encoding, sys.stdout.isatty()) == (before.encoding, before.isatty())
    assert sys.stdout is before


def test_a_stage_whose_reader_has_gone_does_its_work(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(tmp_path, writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "written").exists()


def test_a_full_stdout_is_not_taken_for_the_stages_files(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = run(tmp_path, full)
    assert done.returncode == 1
    assert done.stderr == (
        "error: expected to print to stdout, got [Errno 28] No space left on device; make room where it leads, and run "
        "dvc repro again\n"
    )


def test_a_stage_without_a_stdout_does_its_work(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, STAGE]
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "written").exists()
