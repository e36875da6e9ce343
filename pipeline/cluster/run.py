"""Running a function on N workers with Ray Train, and forwarding what they report."""

import logging
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from pipeline.artifacts.model import Metrics
from pipeline.cluster import local
from pipeline.files import signals

_log = logging.getLogger(__name__)
# Read when Ray is imported or started; the user's own settings take precedence.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # with its default of 2 s, the end is noticed up to 2 s late
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # prints would appear twice
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the old default causes a warning
}
_MEMORY = re.compile(r"out of memory|low on memory|can't allocate memory|MemoryError", re.IGNORECASE)
_LESS_MEMORY = (
    "; expected enough memory for the workers: raise train.accumulation (the same steps in smaller parts), or lower "
    "train.batch_size, or train.num_workers on one machine"
)
_RESIZE_SECONDS = 60.0  # between checks for room for more workers; each change costs the work since the last checkpoint

Number = int | Literal["auto"] | tuple[int, int]
Listener = Callable[[Metrics], None]


class Function(Protocol):
    """A function that runs on each worker; see pipeline.training.train.fit."""

    def __call__(
        self,
        job: Any,
        *,
        folder: Path,
        device: Any,
        report: Listener,
        progress: Listener,
        say: Callable[[str], None],
    ) -> None:
        """Work, resuming from what an earlier call left in `folder`."""


@dataclass(frozen=True)
class Plan:
    """Where and on how many workers a function runs."""

    folder: Path
    """The run's folder, visible to all nodes, for what must outlast a worker. Created if missing."""
    num_workers: Number
    """auto: one per GPU of the cluster, or one if it has none; (fewest, most): as many as there is room for."""
    max_failures: int
    """How many times failed workers are restarted."""
    certain: type[Exception]
    """An error that all workers raise, and would raise again; it ends the run at once."""


class ClusterError(RuntimeError):
    """There is no room for the workers, or they failed too often; the message contains the first error."""


def run_on_workers(function: Function, job: Any, plan: Plan, *, on_report: Listener, on_progress: Listener) -> None:
    """Run `function` on workers until it ends; if one fails, all are restarted. Their messages are logged.

    The cluster is the one that RAY_ADDRESS names, or a local one that lasts as long as the call.

    Args:
        function: called once in each worker, within torch's process group (nccl with GPUs, else gloo).
        job: its first argument.
        plan: where and on how many workers.
        on_report: called in this process, in a separate thread, with what a worker reports. An error in it, or in
            `on_progress`, ends the calls and is raised once the workers have ended.
        on_progress: likewise, with a worker's progress.

    Raises:
        ClusterError: the cluster lacks the resources, or workers failed too often or with a `certain` error. If memory
            ran out, the message says which settings reduce it.
    """
    is_local = "RAY_ADDRESS" not in os.environ
    for key, value in {**_ENVIRONMENT, **(local.ENVIRONMENT if is_local else {})}.items():
        os.environ.setdefault(key, value)
    place: AbstractContextManager[dict[str, Any]] = local.options() if is_local else nullcontext({})
    with place as options:
        error = _run(function, job, plan, options, {"report": on_report, "progress": on_progress, "say": _log.info})
    if error:
        raise error


def _run(
    function: Function, job: Any, plan: Plan, options: dict[str, Any], listeners: dict[str, Callable[[Any], None]]
) -> Exception | None:
    """Run the function on a cluster, which is left or ended afterwards; return the error of a listener, if any."""
    import ray
    from ray.exceptions import RayError
    from ray.train.v2.api.exceptions import TrainingFailedError

    try:
        with signals.sigterm_kept():
            ray.init(address="local" if options else None, log_to_driver=False, logging_level="ERROR", **options)
        share = _share(ray.nodes(), plan.num_workers)
        return _fit(function, job, plan, share, listeners)
    except (TrainingFailedError, RayError) as err:
        failures = getattr(err, "worker_failures", None)
        raise ClusterError(_cause(failures) if failures else _described(err)) from err
    finally:
        ray.shutdown()


def _fit(
    function: Function, job: Any, plan: Plan, share: "_Share", listeners: dict[str, Callable[[Any], None]]
) -> Exception | None:
    """Run the function with Ray Train; return the error that ended the calls of listeners, if any.

    Ray restarts workers, but keeps no checkpoints: see training/checkpoint.py.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.util.queue import Queue

    queue = Queue(actor_options={"num_cpus": 0})
    folder = plan.folder.resolve()  # a worker has another current folder
    folder.mkdir(parents=True, exist_ok=True)
    trainer = TorchTrainer(
        _on_worker,
        train_loop_config={
            "call": partial(function, job, folder=folder),
            "certain": plan.certain,
            "queue": queue,
            "threads": share.cpus,
        },
        scaling_config=ScalingConfig(
            num_workers=share.workers,
            use_gpu=share.use_gpu,
            resources_per_worker={"CPU": share.cpus, **({"GPU": 1} if share.use_gpu else {})},
            elastic_resize_monitor_interval_s=_RESIZE_SECONDS,
        ),
        run_config=RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            failure_config=FailureConfig(max_failures=plan.max_failures),
            callbacks=[_failure_callback(queue)],
        ),
    )
    trainer._register_sigint_handler = lambda _: None  # Ray's handler would end the process with status 0
    with ThreadPoolExecutor(1) as threads:
        try:
            listening = threads.submit(_listen, queue, listeners)
            trainer.fit()
        finally:
            queue.put(None)
    return listening.result()


@dataclass(frozen=True)
class _Share:
    """How the cluster is divided among the workers."""

    workers: int | tuple[int, int]
    """Number of workers, or the fewest and the most."""
    cpus: int
    """CPUs of each worker."""
    use_gpu: bool
    """Whether each worker has a GPU."""


def _share(nodes: list[dict[str, Any]], num_workers: Number) -> _Share:
    """Return how live nodes are divided among workers; of a range, the fewest must fit now."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in alive))
    wanted = (gpus or 1) if num_workers == "auto" else num_workers
    fewest, most = wanted if isinstance(wanted, tuple) else (wanted, wanted)
    slots = [node.get("GPU", 0) if gpus else node.get("CPU", 0) for node in alive]
    if fewest > sum(slots):
        kind = "GPUs" if gpus else "CPUs"
        raise ClusterError(f"train.num_workers: expected at most the cluster's {sum(slots):g} {kind}, got {fewest}")
    # The fullest node decides: all workers get equal shares, and Ray may place as many on a node as it has slots.
    per_node = -(-min(most, int(sum(slots))) // sum(1 for slot in slots if slot))
    cpus = min(int(node.get("CPU", 0) // per_node) for node, slot in zip(alive, slots, strict=True) if slot)
    return _Share(wanted, max(1, cpus), bool(gpus))


def _on_worker(config: dict[str, Any]) -> None:
    """Run the function in a Ray worker."""
    import ray.train
    import torch
    from ray.train.torch import get_device

    torch.set_num_threads(config["threads"])  # Ray sets OMP_NUM_THREADS=1
    queue, call = config["queue"], config["call"]
    if not call.keywords["folder"].is_dir():
        raise ValueError(f"expected {call.keywords['folder']} to be visible to all nodes; put it on shared storage")

    def sender(kind: str) -> Callable[[Any], None]:
        return lambda content: queue.put((kind, content))

    try:
        call(device=get_device(), **{kind: sender(kind) for kind in ("report", "progress", "say")})
    except config["certain"] as err:  # not raised: Ray would restart the workers
        if ray.train.get_context().get_world_rank() == 0:
            queue.put(("error", str(err)))


def _failure_callback(queue: Any) -> Any:
    """Return a callback that tells the driver why workers failed."""
    from ray.train import UserCallback

    class ReportFailure(UserCallback):  # type: ignore[misc]  # Ray's types are incomplete
        def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
            queue.put(("say", f"failed: {_cause(worker_exceptions)}"))

    return ReportFailure()


def _listen(queue: Any, listeners: dict[str, Callable[[Any], None]]) -> Exception | None:
    """Forward messages of workers until None arrives; return the error that ended this early, if any."""
    error: Exception | None = None
    while (message := queue.get()) is not None:
        kind, content = message
        if kind == "error":
            error = ClusterError(content)
        elif error is None:
            try:
                listeners[kind](content)
            except Exception as err:  # of any kind: training continues, and its result is kept
                error = err
    return error


def _cause(failures: dict[int, Exception]) -> str:
    """Return the first worker's error, as far as Ray kept it; a lost worker causes the errors of the others."""
    lost = {rank: err for rank, failure in failures.items() if (err := getattr(failure, "health_check_failure", None))}
    rank, failure = min((lost or failures).items())
    return f"worker {rank}: {_described(failure)}"


def _described(error: Exception) -> str:
    """Return an error's type and text without Ray's ids and tables, and what to do if memory ran out."""
    text = " ".join(line for line in str(error).splitlines() if not line.startswith(("\t", "- ")))
    text = f"{type(error).__name__}: {text.partition(' Object store memory usage')[0]}"
    return text + _LESS_MEMORY if _MEMORY.search(text) else text
