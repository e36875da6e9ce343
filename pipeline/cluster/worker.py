"""What runs in a Ray worker; imported where Ray has been started."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
import ray.util
import torch
from ray.train.torch import TorchConfig, get_device
from ray.train.torch.config import _TorchBackend

from pipeline.cluster import interface


class _Backend(_TorchBackend):  # type: ignore[misc]  # Ray's types are incomplete
    """Ray's process group, over the interface that bears Ray's own address of the node."""

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        worker_group.execute(_use_interface)
        super().on_start(worker_group, backend_config)


@dataclass
class ProcessGroup(TorchConfig):  # type: ignore[misc]
    """torch's process group: nccl with GPUs, else gloo."""

    @property
    def backend_cls(self) -> type[_Backend]:
        """Return the class that forms the process group."""
        return _Backend


def _use_interface() -> None:
    interface.use(ray.util.get_node_ip_address())


def check_seen(paths: Sequence[Path], address: str) -> None:
    """Raise ValueError if this node does not see a path; `nodes` asked only those that were there at the start."""
    for path in paths:
        if not path.exists():
            raise ValueError(
                f"expected node {address} to see {path}, got nothing at this path; put it on storage that every node "
                "mounts at this path"
            )


def receive(function: Callable[..., None]) -> None:
    """Do nothing: to receive a function, a worker imports its module, and with this one torch and Ray Train."""


def work(config: dict[str, Any]) -> None:
    """Call the function, and send what it reports to the driver.

    Args:
        config: `call`: the function, with its job and folder; `sees`: paths that it needs; `certain`: an error that all
            workers raise; `queue`: to the driver; `threads`: of torch.

    Raises:
        ValueError: this node does not see a path.
    """
    torch.set_num_threads(config["threads"])  # Ray sets OMP_NUM_THREADS=1
    queue, call, context = config["queue"], config["call"], ray.train.get_context()
    check_seen(config["sees"], ray.util.get_node_ip_address())
    if context.get_world_rank() == 0:
        queue.put(("workers", context.get_world_size()))

    def sender(kind: str) -> Callable[[Any], None]:
        return lambda content: queue.put((kind, content))

    try:
        call(device=get_device(), **{kind: sender(kind) for kind in ("report", "progress", "say", "pictures")})
    except config["certain"] as err:  # not raised: Ray would restart the workers
        if context.get_world_rank() == 0:
            queue.put(("error", str(err)))
