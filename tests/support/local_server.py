"""A real server on this machine, for the length of a test."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def serving(folder, *command, health, workers=1, port=None, **environment):
    """Run `python -m mlflow ... --host --port` in `folder`; yield its address once `health` is answered there."""
    port = str(port or free_port())
    own = ["--host", "127.0.0.1", "--port", port, "--workers", str(workers)]
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it starts uvicorn
    address = f"http://127.0.0.1:{port}"
    options = {"env": os.environ | environment, "cwd": folder}
    with running(
        [sys.executable, "-m", "mlflow", *command, *own], folder / "log", answers(address + health), **options
    ):
        yield address


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(address):
    """A function that says whether `address` answers a GET without an error."""

    def ready():
        try:
            with urllib.request.urlopen(address):
                return True
        except OSError:
            return False

    return ready


@contextmanager
def running(command, log, ready, *, end=signal.SIGTERM, **options):
    """Run a program, once `ready()` with what it prints in `log`; end it and its children however the block ends."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, **options)
    try:
        wait_for(ready, process, log)
        yield
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, end)
        process.wait(30)


def wait_for(ready, process, log):
    for _ in range(480):
        assert process.poll() is None, log.read_text()
        if ready():
            return
        time.sleep(0.25)
    raise AssertionError(log.read_text())
