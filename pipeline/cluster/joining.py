"""Joining the cluster that RAY_ADDRESS names, so that its nodes have this program's code."""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cluster import allocator, nodes, share
from pipeline.cluster.failures import ClusterError
from pipeline.files import signals, source_code

if TYPE_CHECKING:
    from pipeline.params.steps import Placement

_log = logging.getLogger(__name__)
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # with its default of 2 s, the end is noticed up to 2 s late
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # prints would appear twice
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the old default causes a warning
    **allocator.VARIABLES,  # read by the workers, which inherit them on one machine, and are sent them on a cluster
}
# Ray's default of 600 s leaves it to the head to notice a lost node. One machine has none to lose, and may be busy.
ON_A_CLUSTER = {"RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "30"}
_WITHOUT_PORT = {"auto", "local"}  # which Ray takes in place of a head's HOST:PORT
_SECONDS = 5  # for a connection
# The code that a run brings along; Ray sends a package as it is, but for these.
_CODE = {"py_modules": [str(source_code.ROOT / nodes.PACKAGE)], "excludes": ["__pycache__"]}


def set_environment(others: Mapping[str, str] = ON_A_CLUSTER) -> None:
    """Set what Ray and its workers read when they are imported or started; the user's own settings take precedence."""
    for key, value in {**_ENVIRONMENT, **others}.items():
        os.environ.setdefault(key, value)


def join(reads: Sequence[Path], folder: Path | None, placement: "Placement", *, on_gpus: bool = True) -> None:
    """Connect to the cluster that RAY_ADDRESS names, so that its nodes have this program's code.

    Args:
        reads: absolute paths that nodes must see as this machine does.
        folder: likewise, and which they write to; None: there is none.
        placement: which nodes are meant.
        on_gpus: whether those with GPUs alone are, if there are some.

    Raises:
        ClusterError: nobody listens at the address, nodes lack something, or no node has the labels.
    """
    address = os.environ["RAY_ADDRESS"]
    if "://" not in address and address not in _WITHOUT_PORT:
        check_head(address)
    import ray

    connect()
    share.check_labels(ray.nodes(), placement.node_labels)
    hosts = share.hosting(ray.nodes(), placement.node_labels, on_gpus=on_gpus)
    if nodes.code_is_missing(hosts, reads, folder):
        ray.shutdown()
        connect(runtime_env=_CODE)  # Ray sends code when a driver connects


def check_head(address: str) -> None:
    """Raise ClusterError unless something listens at HOST:PORT; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, ValueError, OverflowError) as err:  # the last: of a port beyond 65535
        raise ClusterError(
            f"expected RAY_ADDRESS to name a cluster's head, got no cluster at {address}: {err}; give the HOST:PORT "
            "that `ray start --head` prints, on this network"
        ) from err


def connect(**options: Any) -> None:
    """Connect to the cluster, or start a local one."""
    import ray

    ray._private.worker.print_to_stdstream = _hide
    with signals.sigterm_kept():
        ray.init(log_to_driver=False, logging_level="ERROR", **options)


def _hide(message: dict[str, Any], **_: Any) -> None:
    """Keep what a raylet says off the terminal, where Ray prints it in colour, whatever `log_to_driver` is.

    What it means for the run, a failure or a node that is gone, is said by this program.
    """
    _log.debug(" ".join(message["lines"]))
