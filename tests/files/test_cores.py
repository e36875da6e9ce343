import os
import subprocess
import sys

import pytest

from pipeline.files import cores
from tests.support import ROOT

SHOW = (sys.executable, "-c", "import sys; sys.stdin.read(); from pipeline.files import cores; print(cores.usable())")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot confine a process to cores")
def test_a_process_has_the_cores_that_it_was_given():
    first = cores.usable()[0]
    with subprocess.Popen(SHOW, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        cores.confine(process.pid, frozenset({first}))
        output, _ = process.communicate("", timeout=30)
    assert output == f"[{first}]\n"


def test_where_the_system_does_not_tell_all_cores_are_usable(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert cores.usable() == [0, 1, 2]
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.usable() == [0]
    cores.confine(os.getpid(), frozenset({0}))  # does nothing
