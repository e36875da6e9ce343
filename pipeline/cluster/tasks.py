"""Work on many items by tasks on all nodes of a cluster, in bounded memory; a lost node's items are worked on again."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.cluster import run, share
from pipeline.cluster.failures import ClusterError, described
from pipeline.cluster.nodes import EVERY
from pipeline.files.threads import in_order

if TYPE_CHECKING:
    from pipeline.params.steps import Placement

_log = logging.getLogger(__name__)
_TASKS_PER_GPU = 4  # of which some read and count on a CPU while another computes
_AHEAD = 2  # tasks for each that can run at once: one is waiting where another ends, and nodes that join get some
_ATTEMPTS = 3  # further ones of a task whose node is lost, or which runs out of memory
_ENVIRONMENT = {
    "RAY_task_oom_retries": str(_ATTEMPTS),  # Ray's default is without end
    # Milliseconds until a connection fails on which sent bytes are not acknowledged. With Ray's default of two minutes,
    # what waits for a lost node was given to another after 140 s, with this after 24 s (docs/decisions/cluster.md).
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
}
_LESS_MEMORY = "; expected enough memory for a task on each core: start nodes with fewer, as in ray start --num-cpus=4"

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_at_hand() -> bool:
    """Return whether there is a cluster: RAY_ADDRESS names it."""
    return "RAY_ADDRESS" in os.environ


@contextmanager
def on_nodes(
    function: Callable[[Item], Result], items: Iterable[Item], placement: "Placement"
) -> Iterator[Iterator[Result]]:
    """Yield an iterator over the function's results, in the order of the items; Ray is left at the end.

    Items are taken from their iterator as tasks begin to wait for a core, a few at a time. A task has one core, or a
    quarter of a GPU where nodes have some. Items and results travel by Ray, so nodes need to see no file.

    Args:
        function: a pickled one is sent to each node once, with what `functools.partial` has bound; it may come from
            this program, which nodes that lack it are sent.
        items: what to call it with, one task for each.
        placement: on which nodes.

    Raises:
        ClusterError: there are no such nodes, they have other code, or tasks were lost too often.
    """
    import ray
    from ray.exceptions import RayError, RayTaskError

    run.set_environment(is_local=False)
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    _log.info(f"joining Ray at {os.environ['RAY_ADDRESS']}")
    try:
        run.join((), None, placement)
        hosts = share.hosting(ray.nodes(), placement.node_labels)
        at_once, needs = _room(hosts)
        _log.info(f"{len(hosts)} {'node' if len(hosts) == 1 else 'nodes'}, {at_once} at once")
        task = ray.remote(_call).options(
            **needs,
            max_retries=_ATTEMPTS,
            label_selector=dict(placement.node_labels) or None,
            scheduling_strategy="SPREAD",
        )
        kept = ray.put(function)

        def submit(item: Item) -> Future[Result]:
            future: Future[Result] = task.remote(kept, item).future()
            return future

        with _waiting_said(ray.nodes, placement.node_labels):
            yield in_order(submit, items, at_once * _AHEAD)
    except RayTaskError as err:
        raise err.cause from None
    except RayError as err:
        raise ClusterError(described(err, _LESS_MEMORY)) from err
    finally:
        ray.shutdown()


def _room(hosts: list[share.Node]) -> tuple[int, dict[str, Any]]:
    """Return how many tasks can run at once on `share.hosting` nodes, and what each needs."""
    gpus, cpus = (int(sum(node["Resources"].get(kind, 0) for node in hosts)) for kind in ("GPU", "CPU"))
    if gpus:
        return gpus * _TASKS_PER_GPU, {"num_cpus": 0, "num_gpus": 1 / _TASKS_PER_GPU}
    if cpus:
        return cpus, {"num_cpus": 1}
    raise ClusterError("expected a node with a CPU or GPU, got none; start one: ray start --address=<head>:6379")


@contextmanager
def _waiting_said(
    nodes: Callable[[], list[share.Node]], labels: Mapping[str, str], every: float = EVERY
) -> Iterator[None]:
    """Log, every so many seconds, that no node is left on which tasks may run, while there is none."""
    ended = Event()

    def watch() -> None:
        while not ended.wait(every):
            if not share.hosting(nodes(), labels):
                _log.info("waiting for a node, since none is left; Ray gives it the tasks when it joins")

    thread = Thread(target=watch, name="waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)
