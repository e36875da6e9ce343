"""The hosts on which tests of a cluster run share nothing, and leave nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import ROOT, hosts
from tests.support.left_behind import until

pytestmark = hosts.needed
LISTEN = "import socket; s = socket.create_server(('0.0.0.0', 7000)); print(s.accept()[0].recv(9))"
SEND = "import socket, sys; socket.create_connection((sys.argv[1], 7000), timeout=5).sendall(b'hello')"
KILLED = """
import os, signal, sys
from tests.support import hosts
with hosts.network() as network:
    host = network.add("one")
    host.start("sleep", "600", log=os.devnull)
    print(*(process.pid for process in host.processes()), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def network():
    with hosts.network() as network:
        yield network


@pytest.mark.slow
def test_a_host_sees_what_it_may_and_nothing_that_another_wrote(network, tmp_path):
    (tmp_path / "shared").mkdir()
    one, two = network.add("one", sees=(tmp_path / "shared",)), network.add("two")
    assert one.run("touch", tmp_path / "shared" / "by_one", "/tmp/own", "/dev/shm/own").returncode == 0
    assert (tmp_path / "shared" / "by_one").exists()
    for path in (tmp_path / "shared", "/tmp/own", "/dev/shm/own", ROOT / "pipeline"):
        assert two.run("ls", path).returncode == 2, path
    assert two.run(sys.executable, "-c", "import torch; import pipeline").stderr.splitlines()[-1] == (
        "ModuleNotFoundError: No module named 'pipeline'"
    )


def test_a_host_has_a_name_that_resolves_to_itself_alone_as_on_debian(network):
    host = network.add("one")
    assert host.run("hostname").stdout == "one\n"
    assert host.run("getent", "hosts", "one").stdout.split() == ["127.0.1.1", "one"]


@pytest.mark.slow
def test_hosts_reach_each_other_until_one_is_unplugged(network, tmp_path):
    one, two = network.add("one"), network.add("two")
    one.start(sys.executable, "-u", "-c", LISTEN, log=tmp_path / "log")
    assert until(lambda: two.run(sys.executable, "-c", SEND, one.address).returncode == 0, 10)
    assert until(lambda: (tmp_path / "log").read_text() == "b'hello'\n", 5)
    one.unplug()
    assert "timed out" in two.run(sys.executable, "-c", SEND, one.address).stderr


def test_a_host_that_crashes_leaves_no_process(network):
    host = network.add("one")
    host.start("sleep", "600", log=os.devnull)
    assert until(lambda: len(host.processes()) == 2, 5)  # sleep, and the process that the host consists of
    pids = [process.pid for process in host.processes()]
    host.crash()
    assert until(lambda: not any(map(psutil.pid_exists, pids)), 5)


def test_a_test_that_is_killed_leaves_no_process_interface_or_mount():
    before = (psutil.net_if_addrs().keys(), Path("/proc/self/mounts").read_text())
    test = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    pids = [int(pid) for pid in test.stdout.readline().split()]
    assert len(pids) >= 1
    test.send_signal(signal.SIGKILL)
    test.communicate()
    assert until(lambda: not any(map(psutil.pid_exists, pids)), 5)
    assert (psutil.net_if_addrs().keys(), Path("/proc/self/mounts").read_text()) == before


def test_where_hosts_cannot_be_made_the_reason_is_given(monkeypatch):
    hosts.why_not.cache_clear()
    monkeypatch.setattr(hosts, "_UNSHARE", ("unshare-is-absent",))
    assert hosts.why_not() == "unshare-is-absent is not installed: a test cannot make hosts (util-linux, iproute2)"
    hosts.why_not.cache_clear()
    monkeypatch.setattr(hosts, "_UNSHARE", ("sh", "-c", "echo unshare failed: Operation not permitted >&2; exit 1"))
    assert hosts.why_not() == "a test cannot make hosts here: unshare failed: Operation not permitted"
    hosts.why_not.cache_clear()
