"""A Ray cluster of this machine's own, for as long as it is needed: its environment, its sockets and its processes."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.cluster import idle_agent
from pipeline.files import cores

# A local cluster ends with its driver and listens on loopback; a token file in the home folder would lock others out.
# A killed head does not come back: Ray would wait a minute for it (measured: 60 s, then 11).
# Nobody takes this machine away with notice: watching for that is a process that imports Ray Train.
# A worker that is started in advance, one for each core, is not used: Ray Train's have an environment of their own.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_prestart_worker_first_driver": "0",
}
STORE_BYTES = 150_000_000  # Ray's object store carries reports, not data
_LONGEST_FOLDER = 30  # bytes: a socket's path has at most 107, of which Ray needs up to 77


@contextmanager
def options() -> Iterator[dict[str, Any]]:
    """Yield the options of ray.init for a local cluster; a folder for its sockets, if one is needed, is removed after.

    Batch systems set long paths as TMPDIR, and then /tmp has the sockets.

    Raises:
        ValueError: TMPDIR is too long for them, and /tmp cannot be written to.
    """
    settings: dict[str, Any] = {
        "num_cpus": len(cores.usable()),
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
    }
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(os.fsencode(folder)) <= _LONGEST_FOLDER:
        yield settings
        return
    try:
        short = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    except OSError as err:
        raise ValueError(
            f"expected TMPDIR of at most {_LONGEST_FOLDER} bytes, for the paths of Ray's sockets, or a writable /tmp, "
            f"got {folder} and {err}; set RAY_TMPDIR to a shorter path"
        ) from err
    try:
        yield {**settings, "_temp_dir": short}
    finally:
        shutil.rmtree(short, ignore_errors=True)


@contextmanager
def few_processes() -> Iterator[None]:
    """Have ray.init start no process that would only watch over a cluster; each takes half a second of a core or more.

    They are the autoscaler, which could add no machine, the dashboard's server, which has no dashboard to serve, the
    one that forwards what workers print, and the raylet's agents, for which it would wait: another stands in for them.
    So workers can have no environment of their own, as Ray would give them under `uv run` or by RAY_RUNTIME_ENV_HOOK:
    they have this process's. ray.init has no options for all this.
    """
    from ray._private import parameter, ray_constants, services, worker

    complete, start_dashboard = parameter.RayParams, services.start_api_server
    command = services._build_python_executable_command_memory_profileable
    environment = worker._maybe_modify_runtime_env
    agents = (ray_constants.PROCESS_TYPE_DASHBOARD_AGENT, ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT)

    def lean(**options: Any) -> parameter.RayParams:
        return complete(no_monitor=True, include_log_monitor=False, **options)

    def idle(process: str, *arguments: Any, **options: Any) -> list[str]:
        own = process in agents
        return [sys.executable, "-I", "-S", idle_agent.__file__] if own else command(process, *arguments, **options)

    parameter.RayParams, services.start_api_server = lean, lambda *_, **__: (None, None)
    services._build_python_executable_command_memory_profileable = idle
    worker._maybe_modify_runtime_env = lambda given, *_: given
    try:
        yield
    finally:
        parameter.RayParams, services.start_api_server = complete, start_dashboard
        services._build_python_executable_command_memory_profileable = command
        worker._maybe_modify_runtime_env = environment
