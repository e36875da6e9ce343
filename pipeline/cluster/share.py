"""How a cluster's nodes are divided among the workers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.cluster.failures import ClusterError

_log = logging.getLogger(__name__)
Number = int | Literal["auto"] | tuple[int, int]
Node = dict[str, Any]
"""As ray.nodes() describes it."""


@dataclass(frozen=True)
class Share:
    """How the cluster is divided among the workers."""

    workers: int | tuple[int, int]
    """Number of workers, or the fewest and the most."""
    cpus: int
    """CPUs of each worker."""
    use_gpu: bool
    """Whether each worker has a GPU."""

    @property
    def resources(self) -> dict[str, float]:
        """Return what a worker has, by Ray's names."""
        return {"CPU": self.cpus, **({"GPU": 1} if self.use_gpu else {})}


def hosting(nodes: Sequence[Node], labels: Mapping[str, str], *, on_gpus: bool = True) -> list[Node]:
    """Return the live nodes with all `labels` on which work may run: with GPUs or, if none has or is meant to, CPUs."""
    return (having("GPU", nodes, labels) if on_gpus else []) or having("CPU", nodes, labels)


def having(kind: Literal["GPU", "CPU"], nodes: Sequence[Node], labels: Mapping[str, str]) -> list[Node]:
    """Return the live nodes with all `labels` that have some of a resource."""
    alive = [node for node in nodes if node["Alive"] and labels.items() <= node.get("Labels", {}).items()]
    return [node for node in alive if node["Resources"].get(kind)]


def check_labels(nodes: Sequence[Node], labels: Mapping[str, str]) -> None:
    """Raise ClusterError if no live node has all `labels`; the message names those that nodes have of their own."""
    alive = [node.get("Labels", {}) for node in nodes if node["Alive"]]
    if any(labels.items() <= own.items() for own in alive):
        return
    own = sorted({f"{key}={value}" for each in alive for key, value in each.items() if not key.startswith("ray.io/")})
    raise ClusterError(
        f"placement.node_labels: expected a node with {', '.join(f'{key}={value}' for key, value in labels.items())}, "
        f"got nodes with {', '.join(own) or 'none'}; correct the labels, or set them: ray start --labels"
    )


def automatic(gpus: int, tiles: int) -> int:
    """Return how many workers `auto` is: as many as there are GPUs, and can have equally many tiles; one without GPUs.

    >>> automatic(8, 8), automatic(8, 6), automatic(3, 4), automatic(0, 4)
    (8, 6, 2, 1)
    """
    return next((number for number in range(gpus, 0, -1) if tiles % number == 0), 1)


def share(hosts: Sequence[Node], num_workers: Number, tiles: int) -> Share:
    """Return how `hosting` nodes are divided among workers; of a range, the fewest must fit now.

    Args:
        hosts: the nodes.
        num_workers: what the user wants.
        tiles: those of a step in one part, of which workers have equally many.

    Raises:
        ClusterError: there is no room for them.
    """
    resources = [node["Resources"] for node in hosts]
    gpus = int(sum(node.get("GPU", 0) for node in resources))
    wanted = automatic(gpus, tiles) if num_workers == "auto" else num_workers
    if num_workers == "auto" and gpus > 1 and wanted != gpus:
        _log.info(
            f"{wanted} of {gpus} GPUs are used: no more workers can have equally many of the {tiles} tiles "
            "(train.batch_size / train.accumulation); for all of them, make that a multiple of their number"
        )
    fewest, most = wanted if isinstance(wanted, tuple) else (wanted, wanted)
    slots = [node.get("GPU" if gpus else "CPU", 0) for node in resources]
    if fewest > sum(slots):
        kind = "GPUs" if gpus else "CPUs"
        raise ClusterError(f"train.num_workers: expected at most the cluster's {sum(slots):g} {kind}, got {fewest}")
    # The fullest node decides: all workers get equal shares. A node may have as many as it has GPUs; without GPUs, they
    # are spread evenly.
    evenly = -(-min(most, int(sum(slots))) // len(slots))
    cpus = min(
        int(node.get("CPU", 0) // (min(most, own) if gpus else evenly))
        for node, own in zip(resources, slots, strict=True)
    )
    return Share(wanted, max(1, cpus), bool(gpus))
