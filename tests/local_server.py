"""A real server on this machine, for the length of a test."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(folder, *command, health, **environment):
    """Run `python -m mlflow ... --host --port` in `folder`; yield its address once `health` is answered there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", *command, "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it starts uvicorn
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=os.environ | environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}{health}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def wait_for(address, process, log):
    for _ in range(480):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(log.read_text())
