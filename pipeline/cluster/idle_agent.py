"""Stands in for the two agents that Ray starts beside a raylet: for dashboards, metrics and environments of workers.

On a machine's own cluster nobody asks them anything, but each imports Ray, and the raylet waits until both have said on
which ports they listen. A process of its own, without the program's packages: python -I -S idle_agent.py OPTIONS.
"""

import sys
from pathlib import Path

_PORTS = {
    "runtime-env-dir": ("runtime_env_agent_port",),
    "metrics-export-port": ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"),
}
_NONE = "-1"  # as Ray's own agents say that they do not listen


def main() -> None:
    """Say that there are no ports, in files of Ray's session, and wait for the end of the raylet."""
    options = dict(each[2:].split("=", 1) for each in sys.argv[1:] if each.startswith("--") and "=" in each)
    for name in next(ports for option, ports in _PORTS.items() if option in options):
        path = Path(options["session-dir"], f"{name}_{options['node-id']}")
        new = path.with_suffix(".new")
        new.write_text(_NONE, encoding="utf-8")
        new.replace(path)  # whole, or not there
    sys.stdin.buffer.read()  # a pipe of the raylet's, which ends with it, however it ends


if __name__ == "__main__":
    main()
