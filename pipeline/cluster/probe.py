"""What `segnet doctor` asks of a node; each runs there, as an actor."""

import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
import torch.distributed as dist

from pipeline.cluster import doctor, interface
from pipeline.files.storage import Storage, StorageError

SECONDS = 5.0
"""For a connection."""
_REDUCE = timedelta(seconds=30)  # for all nodes to join
_PATIENCE = timedelta(seconds=10)  # with a storage
_FLOATS, _TIMES = 4 << 20, 3  # of an all-reduce, and how often it is timed


class Probe:
    """One node; its methods answer within about half a minute."""

    def facts(self) -> dict[str, Any]:
        """Return versions, the clock (seconds since 1970), what the host's name resolves to, and Ray's interface."""
        try:
            resolved = socket.gethostbyname(socket.gethostname())
        except OSError:
            resolved = "nothing"
        return {
            "Python": platform.python_version(),
            "Ray": ray.__version__,
            "torch": torch.__version__,
            "clock": time.time(),
            "resolved": resolved,
            "interface": interface.interface(ray.util.get_node_ip_address()),
        }

    def listen(self) -> int:
        """Accept connections from now on; return the port."""
        server = socket.create_server(("", 0))
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        return int(server.getsockname()[1])

    def unreached(self, peers: Mapping[str, int]) -> dict[str, str]:
        """Return why each of the peers, ports by address, cannot be connected to; empty if all can."""
        reasons = {}
        for address, port in peers.items():
            try:
                socket.create_connection((address, port), timeout=SECONDS).close()
            except OSError as err:
                reasons[address] = str(err)
        return reasons

    def write(self, address: str, name: str) -> str:
        """Write an object named `name`, which holds its name; return why that fails, or an empty string."""
        return _reason(lambda: _there(address).put(name, name.encode()))

    def unread(self, address: str, names: Sequence[str]) -> dict[str, str]:
        """Return why each of the objects cannot be read, or that it is another; empty if all can."""
        reasons = {name: _reason(partial(_compare, address, name)) for name in names}
        return {name: reason for name, reason in reasons.items() if reason}

    def machine(self, cache: str) -> list[doctor.Result]:
        """Check this node's memory, shared memory, disk and GPUs; `cache` is the folder that it fetches files into."""
        checks: dict[str, Callable[[], str]] = {
            "memory": doctor.memory,
            "shared memory": doctor.shared_memory,
            "disk": lambda: doctor.free_disk(Path(cache).expanduser(), doctor.DISK_BYTES),
            "GPUs": doctor.gpus,
        }
        return list(doctor.examine(checks))

    def address_for_group(self) -> str:
        """Return an address at which this node can be the first of a process group."""
        with socket.create_server(("", 0)) as free:
            return f"tcp://{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"

    def reduce(self, first: str, world_size: int, rank: int) -> float:
        """Take part in all-reduces over gloo or, with a GPU, nccl; return the bytes that were reduced per second.

        Args:
            first: what `address_for_group` returned on the node of rank 0.
            world_size: number of nodes.
            rank: of this node.
        """
        interface.use(ray.util.get_node_ip_address())
        device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        options: dict[str, Any] = {"rank": rank, "world_size": world_size, "timeout": _REDUCE}
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", init_method=first, **options)
        try:
            values = torch.full((_FLOATS,), float(rank), device=device)
            dist.all_reduce(values)
            total = world_size * (world_size - 1) / 2
            if not bool((values == total).all()):
                raise ValueError(f"expected a sum of {total:g}, got {float(values[0]):g}")
            began = time.monotonic()
            for _ in range(_TIMES):
                dist.all_reduce(values)
            float(values[0])  # waits for a GPU
            return _TIMES * values.nbytes / (time.monotonic() - began)
        finally:
            dist.destroy_process_group()


def _accept(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            server.accept()[0].close()


def _there(address: str) -> Storage:
    """Return the storage; a folder must be there, or it would be made on this node's own disk."""
    storage = Storage(address, patience=_PATIENCE)
    if storage.folder is not None and not os.path.isdir(storage.folder):  # noqa: PTH112
        raise StorageError(f"nothing at {storage.folder}")
    return storage


def _compare(address: str, name: str) -> None:
    if _there(address).get(name) != name.encode():
        raise StorageError(f"{name} holds something else")


def _reason(action: Callable[[], None]) -> str:
    try:
        action()
    except (StorageError, OSError) as err:
        return str(err)
    return ""
