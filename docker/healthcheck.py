"""Exits with 0 if the server that this container runs answers: the image's HEALTHCHECK, in every part that it plays.

A container that runs no server, such as one that submits a job, is healthy.
"""

import sys
import urllib.request
from pathlib import Path

SERVERS = {
    "--head": "http://127.0.0.1:8265/api/gcs_healthz",  # asked without a token, as the next one
    "ray start": "http://127.0.0.1:52365/api/local_raylet_healthz",
    "mlflow server": "http://127.0.0.1:5000/health",
    "mlflow models serve": "http://127.0.0.1:8080/ping",
}
"""What answers, by a part of the container's command."""
SECONDS = 5.0


def address(command: str) -> str | None:
    """Return what must answer in a container that runs `command`; None if it runs no server."""
    return next((address for part, address in SERVERS.items() if part in command), None)


def why_not(url: str) -> str:
    """Return why an address does not answer, or an empty string."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS):  # noqa: S310  one of SERVERS
            return ""
    except (OSError, ValueError) as err:
        return f"expected {url} to answer, got: {err}"


if __name__ == "__main__":
    server = address(Path("/proc/1/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    sys.exit((server and why_not(server)) or 0)
