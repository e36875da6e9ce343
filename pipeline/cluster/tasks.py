"""Work on many items by tasks on all nodes of a cluster, in bounded memory; a lost node's items are worked on again."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pipeline.cluster import joining, share
from pipeline.cluster.failures import ClusterError, described
from pipeline.cluster.nodes import EVERY
from pipeline.files.threads import in_order

if TYPE_CHECKING:
    from pipeline.params.steps import Placement

_log = logging.getLogger(__name__)
_TASKS_PER_GPU = 4  # of which some read and count on a CPU while another computes
_NEEDS: dict[str, dict[str, float]] = {"GPU": {"num_cpus": 0, "num_gpus": 1 / _TASKS_PER_GPU}, "CPU": {"num_cpus": 1}}
_AHEAD = 2  # tasks for each that can run at once: one is waiting where another ends, and nodes that join get some
_ATTEMPTS = 3  # further ones of a task whose node is lost, or which runs out of memory
_ENVIRONMENT = {"RAY_task_oom_retries": str(_ATTEMPTS)}  # Ray's default is without end
_LESS_MEMORY = "; expected enough memory for a task on each core: start nodes with fewer, as in ray start --num-cpus=4"

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_at_hand() -> bool:
    """Return whether there is a cluster: RAY_ADDRESS names it."""
    return bool(os.environ.get("RAY_ADDRESS"))


@contextmanager
def on_nodes(
    function: Callable[[Item], Result], items: Iterable[Item], placement: "Placement", *, on_gpus: bool
) -> Iterator[Iterator[Result]]:
    """Yield an iterator over the function's results, in the order of the items; Ray is left at the end.

    Items are taken from their iterator as tasks begin to wait for a core, a few at a time. Items and results travel by
    Ray, so nodes need to see no file.

    Args:
        function: a pickled one is sent to each node once, with what `functools.partial` has bound; it may come from
            this program, which nodes that lack it are sent. After the loss of a node, it may be called with an item
            in two places.
        items: what to call it with, one task for each.
        placement: on which nodes.
        on_gpus: whether a task has a quarter of a GPU where nodes have some; otherwise it has a core.

    Raises:
        ClusterError: there are no such nodes, they have other code, or tasks were lost too often.
    """
    import ray
    from ray.exceptions import RayError, RayTaskError

    joining.set_environment()
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    _log.info(f"joining Ray at {os.environ['RAY_ADDRESS']}")
    try:
        joining.join((), None, placement, on_gpus=on_gpus)
        hosts = share.hosting(ray.nodes(), placement.node_labels, on_gpus=on_gpus)
        kind, at_once = _room(hosts, on_gpus=on_gpus)
        _log.info(f"{len(hosts)} {'node' if len(hosts) == 1 else 'nodes'}, {at_once} at once")
        # A process is kept for later tasks, and computes on the GPU of its first: `remote` itself, if it were told of
        # GPUs, would start one for each task, which imports torch anew.
        task = ray.remote(_call).options(
            **_NEEDS[kind],
            max_retries=_ATTEMPTS,
            label_selector=dict(placement.node_labels) or None,
            scheduling_strategy="SPREAD",
        )
        kept = ray.put(function)
        attempts = _Attempts[Any, Result](lambda item: task.remote(kept, item).future())  # not passed by value
        with _watched(lambda: share.having(kind, ray.nodes(), placement.node_labels), attempts.again):
            yield in_order(lambda item: attempts.submit(ray.put(item)), items, at_once * _AHEAD)
    except RayTaskError as err:
        raise err.cause from None
    except RayError as err:
        raise ClusterError(described(err, _LESS_MEMORY)) from err
    finally:
        ray.shutdown()


def _room(hosts: list[share.Node], *, on_gpus: bool) -> tuple[Literal["GPU", "CPU"], int]:
    """Return on what of `share.hosting` nodes tasks run, and how many can at once."""
    gpus, cpus = (int(sum(node["Resources"].get(kind, 0) for node in hosts)) for kind in ("GPU", "CPU"))
    if gpus and on_gpus:
        return "GPU", gpus * _TASKS_PER_GPU
    if cpus:
        return "CPU", cpus
    wanted = "a CPU or GPU" if on_gpus else "a CPU"
    raise ClusterError(f"expected a node with {wanted}, got none; start one: ray start --address=<head>:6379")


@dataclass
class _Task(Generic[Item]):
    item: Item
    started: int = 1  # attempts
    ended: int = 0


class _Attempts(Generic[Item, Result]):
    """Tasks that have not ended; each is started again when a node is lost, and whichever attempt ends first counts.

    Ray itself starts the tasks of a lost node again, but those that had begun only when their connection fails, of
    which five minutes pass without an answer before it is asked whether it lives (docs/decisions/cluster.md).
    """

    def __init__(self, start: Callable[[Item], Future[Result]]) -> None:
        self._start, self._lock = start, Lock()
        self._tasks: dict[Future[Result], _Task[Item]] = {}

    def submit(self, item: Item) -> Future[Result]:
        """Start a task for an item; return what will have its result."""
        result = Future[Result]()
        result.set_running_or_notify_cancel()  # nobody cancels it from now on
        with self._lock:
            self._tasks[result] = _Task(item)
        self._attempt(result, item)
        return result

    def again(self) -> None:
        """Start each task that has not ended once more, unless it was so often enough."""
        with self._lock:
            lost = {result: task for result, task in self._tasks.items() if task.started <= _ATTEMPTS}
            for task in lost.values():
                task.started += 1
        _log.info(f"a node is lost; tasks that are started again: {len(lost)}")
        for result, task in lost.items():
            self._attempt(result, task.item)

    def _attempt(self, result: Future[Result], item: Item) -> None:
        self._start(item).add_done_callback(lambda attempt: self._end(result, attempt))

    def _end(self, result: Future[Result], attempt: Future[Result]) -> None:
        """Take the result of an attempt; an error that is not the function's own only if no other may end well."""
        from ray.exceptions import RayTaskError

        error = attempt.exception()
        with self._lock:
            if (task := self._tasks.get(result)) is None:
                return  # another attempt was faster
            task.ended += 1
            if error and not isinstance(error, RayTaskError) and task.ended < task.started:
                return
            del self._tasks[result]
        if error:
            result.set_exception(error)
        else:
            result.set_result(attempt.result())


@contextmanager
def _watched(
    hosts: Callable[[], list[share.Node]], on_loss: Callable[[], None], every: float = EVERY
) -> Iterator[None]:
    """Every so many seconds, call `on_loss` if one of the hosts is no longer there, and log that none is left."""
    ended = Event()

    def names() -> set[str]:
        return {node["NodeID"] for node in hosts()}

    def watch(known: set[str]) -> None:
        while not ended.wait(every):
            alive = names()
            if known - alive:
                on_loss()
            if not alive:
                _log.info("waiting for a node, since none is left; Ray gives it the tasks when it joins")
            known = alive

    thread = Thread(target=watch, args=(names(),), name="nodes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)
