"""The head of a Ray cluster with a dashboard, on 127.0.0.1."""

import os
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.support.local_server import answers, free_port, running

_BIN = Path(sys.executable).parent
_PORTS = (
    "--port",
    "--dashboard-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--ray-client-server-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
)

FEWER = ("--include-log-monitor=false",)
"""Options of ray start, of a node that nobody watches."""
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",  # Ray Train's workers and jobs have environments, and so new processes
    "PYTHONDONTWRITEBYTECODE": "1",
}


@contextmanager
def head(log, *, cpus=1, ready="/api/version", **settings):
    """Yield the address of a new head's dashboard; the head is stopped afterwards.

    Args:
        log: file that gets the head's output.
        cpus: of the head.
        ready: what it answers once it is ready.
        settings: further environment variables of the head.
    """
    ports = {option: free_port() for option in _PORTS}
    address = f"http://127.0.0.1:{ports['--dashboard-port']}"
    own = {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}", **ENVIRONMENT}
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray-", ignore_cleanup_errors=True) as folder:  # a short path
        command = [_BIN / "ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", *FEWER]
        command += ["--disable-usage-stats", "--object-store-memory=80000000", f"--num-cpus={cpus}"]
        command += ["--dashboard-host=127.0.0.1", f"--temp-dir={folder}", *(f"{o}={p}" for o, p in ports.items())]
        # On SIGTERM, it takes up to a minute to end.
        with running(command, log, answers(address + ready), end=signal.SIGKILL, env=os.environ | own | settings):
            yield address
