"""The head of a Ray cluster with a dashboard, on 127.0.0.1, and a connection to it that a test can cut."""

import os
import select
import signal
import socket
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
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
    own = {
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray-", ignore_cleanup_errors=True) as folder:  # a short path
        command = [_BIN / "ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1"]
        command += ["--disable-usage-stats", "--object-store-memory=80000000", f"--num-cpus={cpus}"]
        command += ["--dashboard-host=127.0.0.1", f"--temp-dir={folder}", *(f"{o}={p}" for o, p in ports.items())]
        # On SIGTERM, it takes up to a minute to end.
        with running(command, log, answers(address + ready), end=signal.SIGKILL, env=os.environ | own | settings):
            yield address


class Wire:
    """A connection to an address, at an address of its own, that can be cut and mended."""

    def __init__(self, address):
        """Forward to `http://host:port`."""
        host, _, port = address.removeprefix("http://").partition(":")
        self._target, self._pairs, self._is_cut = (host, int(port)), [], False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, mend=True):
        """End all connections; refuse new ones unless it is to be mended at once."""
        self._is_cut = not mend
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs = []

    def mend(self):
        """Take connections again."""
        self._is_cut = False

    def close(self):
        """End all for good."""
        self.cut(mend=False)
        self._listening.close()

    def _accept(self):
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listening.accept()
                if self._is_cut:
                    near.close()
                    continue
                pair = (near, socket.create_connection(self._target))
                self._pairs.append(pair)
                threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(near, far):
    """Copy what either end sends to the other, until one of them ends."""
    with near, far, suppress(OSError):
        while True:
            for end in select.select([near, far], [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                (far if end is near else near).sendall(data)
