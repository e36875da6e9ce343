"""A real local server, for the duration of a test."""

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def serving(folder, *command, health, workers=1, port=None, **environment):
    """Run `python -m mlflow ... --host --port` in `folder`; yield its address once it answers `health`."""
    port = str(port or free_port())
    own = ["--host", "127.0.0.1", "--port", port, "--workers", str(workers)]
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # mlflow starts uvicorn
    address = f"http://127.0.0.1:{port}"
    options = {"env": os.environ | environment, "cwd": folder}
    with running(
        [sys.executable, "-m", "mlflow", *command, *own], folder / "log", answers(address + health), **options
    ):
        yield address


def free_port():
    """Return an unused port of 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def answering(status, *, after=0.0):
    """Yield the address of a server that answers all requests with `status`, after some seconds."""
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a client that asks whether to go on is answered, and need not wait a second

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            ended.wait(after)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_GET  # noqa: N815  http.server's names

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))  # seconds between looks whether to end
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def answers(address):
    """Return a function that returns whether `address` answers a GET without an error."""

    def ready():
        try:
            with urllib.request.urlopen(address):
                return True
        except OSError:
            return False

    return ready


@contextmanager
def running(command, log, ready, *, end=signal.SIGTERM, **options):
    """Run a program for the block, entered once `ready()`, with its output in `log`; then end it and its children."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, **options)
    try:
        wait_for(ready, process, log)
        yield
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, end)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:  # on a busy machine, a server may wait long for its last connections
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def wait_for(ready, process, log):
    for _ in range(480):
        assert process.poll() is None, log.read_text()
        if ready():
            return
        time.sleep(0.25)
    raise AssertionError(log.read_text())
