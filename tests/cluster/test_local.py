import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.cluster import idle_agent, local
from tests.support.left_behind import until


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Make a folder of so many bytes TMPDIR."""

    def temporary(length):
        folder = tmp_path / ("x" * max(0, length - len(str(tmp_path)) - 1))
        folder.mkdir(exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.delenv("RAY_TMPDIR", raising=False)

    return temporary


def test_a_long_tmpdir_has_its_sockets_in_a_short_folder_that_is_removed(temporary):
    temporary(120)
    with local.options() as options:
        folder = Path(options["_temp_dir"])
        assert folder.is_dir()
        assert len(str(folder)) <= 30
    assert not folder.exists()


def test_a_short_tmpdir_is_used(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    with local.options() as options:
        assert "_temp_dir" not in options


def test_a_cluster_has_the_cores_that_this_process_may_use(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda process: {1, 5, 6})
    with local.options() as options:
        assert options["num_cpus"] == 3


def test_without_a_short_folder_it_is_said_what_to_do(temporary, monkeypatch):
    temporary(120)

    def refused(**_):
        raise PermissionError("no room")

    monkeypatch.setattr(tempfile, "mkdtemp", refused)
    message = r"expected TMPDIR of at most 30 bytes, .*, got .*xxx and no room; set RAY_TMPDIR to a shorter path"
    with pytest.raises(ValueError, match=message), local.options():
        pass


def test_an_error_inside_passes(temporary):
    temporary(120)
    with pytest.raises(OSError, match="of a listener"), local.options():
        raise OSError("of a listener")


@pytest.mark.parametrize(
    ("option", "ports"),
    [
        ("--runtime-env-dir=/x", {"runtime_env_agent_port_a1b2"}),
        (
            "--metrics-export-port=0",
            {"metrics_agent_port_a1b2", "metrics_export_port_a1b2", "dashboard_agent_listen_port_a1b2"},
        ),
    ],
)
def test_an_idle_agent_listens_nowhere_and_ends_with_its_raylet(option, ports, tmp_path):
    session = tmp_path / "a session"
    session.mkdir()
    command = [sys.executable, "-I", "-S", idle_agent.__file__, "agent.py", f"--session-dir={session}"]
    with subprocess.Popen([*command, "--node-id=a1b2", option, "--head"], stdin=subprocess.PIPE) as agent:
        assert until(lambda: len(list(session.iterdir())) == len(ports) and not list(session.glob("*.new")), 30)
        assert {path.name: path.read_text() for path in session.iterdir()} == dict.fromkeys(ports, "-1")
        assert agent.poll() is None
        agent.stdin.close()
        assert agent.wait(30) == 0
