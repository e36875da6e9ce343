"""What workers tell the driver, and what the driver says while they are silent."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.cluster import share
from pipeline.cluster.failures import ClusterError, cause
from pipeline.cluster.nodes import EVERY

_log = logging.getLogger(__name__)


def queue() -> Any:
    """Return a queue to this process; it lies on this node, since another may be lost, and the run with it."""
    import ray
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})


def failure_callback(queue: Any) -> Any:
    """Return a callback that tells the driver why workers failed."""
    from ray.train import UserCallback

    class ReportFailure(UserCallback):  # type: ignore[misc]  # Ray's types are incomplete
        def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
            queue.put(("say", f"failed: {cause(worker_exceptions)}"))
            queue.put(("workers", 0))

    return ReportFailure()


def listen(
    queue: Any, listeners: dict[str, Callable[[Any], None]], waiting: Callable[[], str] | None
) -> Exception | None:
    """Forward messages of workers until None arrives; return the error that ended this early, if any.

    Args:
        queue: of `queue`.
        listeners: for each kind of message a function, called with its content.
        waiting: returns what is said every ten seconds while no workers run; None: nothing is.
    """
    from ray.util.queue import Empty

    error: Exception | None = None
    running = False
    while True:
        try:
            message = queue.get(timeout=EVERY)
        except Empty:
            if waiting and not running and error is None:
                _log.info(waiting())
            continue
        if message is None:
            return error
        kind, content = message
        if kind == "workers":
            running = content > 0
            if running:
                _log.info(f"{content} worker{'' if content == 1 else 's'} ready")
        elif kind == "error":
            error = ClusterError(content)
        elif error is None:
            try:
                listeners[kind](content)
            except Exception as err:  # of any kind: training continues, and its result is kept
                error = err


def waiting_line(workers: int | tuple[int, int], total: int, labels: Mapping[str, str]) -> Callable[[], str]:
    """Return a function that says for how many workers the run waits, and how many of `total` nodes are alive."""
    import ray

    number = f"{workers[0]} to {workers[1]}" if isinstance(workers, tuple) else str(workers)
    plural = "" if workers == 1 else "s"

    def line() -> str:
        alive = len(share.hosting(ray.nodes(), labels))
        return f"waiting for {number} worker{plural} ({alive} of {max(alive, total)} nodes)"

    return line
