"""docker/healthcheck.py: what must answer in a container, and what is said if it does not."""

import importlib.util
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support import ROOT
from tests.support.local_server import free_port

SPEC = importlib.util.spec_from_file_location("healthcheck", ROOT / "docker/healthcheck.py")
healthcheck = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(healthcheck)


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("tini -- ray start --head --block", 8265),
        ("/bin/bash -lc -- ulimit -n 65536; ray start --head --block", 8265),
        ("tini -- ray start --address=ray-head:6379 --block", 52365),
        ("tini -- mlflow server --host=0.0.0.0", 5000),
        ("tini -- mlflow models serve --port=8080", 8080),
    ],
)
def test_a_server_is_known_by_its_command(command, port):
    assert f"http://127.0.0.1:{port}/" in healthcheck.address(command)


def test_a_container_without_a_server_is_healthy():
    assert healthcheck.address("tini -- segnet submit --address=http://ray-head:8265") is None


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 500)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_only_an_answer_without_an_error_is_healthy():
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert healthcheck.why_not(f"{address}/good") == ""
        assert healthcheck.why_not(f"{address}/bad").startswith(
            f"expected {address}/bad to answer, got: HTTP Error 500"
        )
        server.shutdown()
    nobody = f"http://127.0.0.1:{free_port()}/"
    assert healthcheck.why_not(nobody).startswith(f"expected {nobody} to answer, got: ")
