"""Running a function on N workers with Ray Train, and forwarding what they report."""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.artifacts.model import Metrics
from pipeline.cluster import interface, local, messages, nodes, share
from pipeline.cluster.failures import ClusterError, cause, described
from pipeline.cluster.share import Number, Share
from pipeline.files import signals, source_code

if TYPE_CHECKING:
    from pipeline.params.steps import Placement

_log = logging.getLogger(__name__)
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # with its default of 2 s, the end is noticed up to 2 s late
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # prints would appear twice
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the old default causes a warning
}
# Ray's default of 600 s leaves it to the head to notice a lost node. One machine has none to lose, and may be busy.
_ON_A_CLUSTER = {"RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "30"}
_RESIZE_SECONDS = 60.0  # between checks for room for more workers; each change costs the work since the last checkpoint
# The code that a run brings along; Ray sends a package as it is, but for these.
_CODE = {"py_modules": [str(source_code.ROOT / nodes.PACKAGE)], "excludes": ["__pycache__"]}

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
        pictures: Callable[[Any], None],
    ) -> None:
        """Work, resuming from what an earlier call left in `folder`."""


@dataclass(frozen=True)
class Place:
    """What workers find on their nodes."""

    folder: Path
    """The run's folder, for what must outlast a worker. Created if missing."""
    reads: tuple[Path, ...]
    """Absolute paths of files and folders that workers read, visible to all nodes."""
    is_shared: bool = True
    """Whether workers use `folder` itself, which all nodes must see then; otherwise they only learn its name."""


@dataclass(frozen=True)
class Plan:
    """Where and on how many workers a function runs."""

    place: Place
    num_workers: Number
    """auto: one per GPU of the cluster, or one if it has none; (fewest, most): as many as there is room for."""
    max_failures: int
    """How many times failed workers are restarted."""
    certain: type[Exception]
    """An error that all workers raise, and would raise again; it ends the run at once."""
    placement: "Placement"
    """On which nodes."""


def run_on_workers(
    function: Function,
    job: Any,
    plan: Plan,
    *,
    on_report: Listener,
    on_progress: Listener,
    on_pictures: Callable[[Any], None],
) -> None:
    """Run `function` on workers until it ends; if one fails, all are restarted. Their messages are logged.

    The cluster is the one that RAY_ADDRESS names, or a local one that lasts as long as the call.

    Args:
        function: called once in each worker, within torch's process group (nccl with GPUs, else gloo).
        job: its first argument.
        plan: where and on how many workers.
        on_report: called in this process, in a separate thread, with what a worker reports. An error in it, or in one
            of the following, ends the calls and is raised once the workers have ended.
        on_progress: likewise, with a worker's progress.
        on_pictures: likewise, with what a worker shows of its network.

    Raises:
        ClusterError: the cluster lacks the resources, its nodes lack what workers need, or workers failed too often or
            with a `certain` error. If memory ran out, the message says which settings reduce it.
    """
    is_local = "RAY_ADDRESS" not in os.environ
    set_environment(is_local=is_local)
    place: AbstractContextManager[dict[str, Any]] = local.options() if is_local else nullcontext({})
    with place as options:
        _log.info("starting Ray on this machine" if is_local else f"joining Ray at {os.environ['RAY_ADDRESS']}")
        listeners = {"report": on_report, "progress": on_progress, "say": _log.info, "pictures": on_pictures}
        error = _run(function, job, plan, options, listeners)
    if error:
        raise error


def set_environment(*, is_local: bool) -> None:
    """Set what Ray reads when it is imported or started; the user's own settings take precedence."""
    for key, value in {**_ENVIRONMENT, **(local.ENVIRONMENT if is_local else _ON_A_CLUSTER)}.items():
        os.environ.setdefault(key, value)


def _run(
    function: Function, job: Any, plan: Plan, options: dict[str, Any], listeners: dict[str, Callable[[Any], None]]
) -> Exception | None:
    """Run the function on a cluster, which is left or ended afterwards; return the error of a listener, if any."""
    import ray
    from ray.exceptions import RayError
    from ray.train.v2.api.exceptions import TrainingFailedError

    place = plan.place
    folder = place.folder.resolve()  # a worker has another current folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if options:
            with local.few_processes():
                _connect(address="local", **options)
            share.check_labels(ray.nodes(), plan.placement.node_labels)
        else:
            join(place.reads, folder if place.is_shared else None, plan.placement)
        return _fit(partial(function, job, folder=folder), plan, listeners, is_local=bool(options))
    except (TrainingFailedError, RayError) as err:
        failures = getattr(err, "worker_failures", None)
        raise ClusterError(cause(failures) if failures else described(err)) from err
    finally:
        ray.shutdown()


def join(reads: Sequence[Path], folder: Path | None, placement: "Placement") -> None:
    """Connect to the cluster that RAY_ADDRESS names, so that its nodes have this program's code.

    Args:
        reads: absolute paths that nodes must see as this machine does.
        folder: likewise, and which they write to; None: there is none.
        placement: which nodes are meant.

    Raises:
        ClusterError: nodes lack something, or no node has the labels.
    """
    import ray

    _connect()
    share.check_labels(ray.nodes(), placement.node_labels)
    if nodes.code_is_missing(share.hosting(ray.nodes(), placement.node_labels), reads, folder):
        ray.shutdown()
        _connect(runtime_env=_CODE)  # Ray sends code when a driver connects


def _connect(**options: Any) -> None:
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


def _fit(
    call: "partial[None]", plan: Plan, listeners: dict[str, Callable[[Any], None]], *, is_local: bool
) -> Exception | None:
    """Call a function on workers with Ray Train; return the error that ended the calls of listeners, if any.

    Ray restarts workers, but keeps no checkpoints: see training/checkpoint.py.
    """
    import ray

    from pipeline.cluster import worker
    from pipeline.cluster.trainer import Trainer

    place, labels = plan.place, plan.placement.node_labels
    hosts = share.hosting(ray.nodes(), labels)
    queue, part = messages.queue(), share.share(hosts, plan.num_workers)
    seen = (*place.reads, call.keywords["folder"]) if place.is_shared else place.reads
    settings = {"call": call, "sees": seen, "certain": plan.certain, "queue": queue, "threads": part.cpus}
    trainer = Trainer(
        worker.work,
        is_local=is_local,
        train_loop_config=settings,
        torch_config=worker.ProcessGroup(),
        scaling_config=_scaling(part, plan.placement),
        run_config=_run_config(call.keywords["folder"], plan.max_failures, messages.failure_callback(queue)),
    )
    waiting = None if is_local else messages.waiting_line(part.workers, len(hosts), labels)
    with ThreadPoolExecutor(1) as threads:
        try:
            listening = threads.submit(messages.listen, queue, listeners, waiting)
            trainer.fit()
        finally:
            queue.put(None)
    return listening.result()


def _scaling(part: Share, placement: "Placement") -> Any:
    from ray.train import ScalingConfig

    return ScalingConfig(
        num_workers=part.workers,
        use_gpu=part.use_gpu,
        resources_per_worker={"CPU": part.cpus, **({"GPU": 1} if part.use_gpu else {})},
        elastic_resize_monitor_interval_s=_RESIZE_SECONDS,
        placement_strategy=placement.strategy.upper(),
        label_selector=dict(placement.node_labels) or None,
    )


def _run_config(folder: Path, max_failures: int, callback: Any) -> Any:
    from ray.train import FailureConfig, RunConfig

    return RunConfig(
        name=folder.name,
        storage_path=str(folder.parent),
        failure_config=FailureConfig(max_failures=max_failures),
        callbacks=[callback],
        worker_runtime_env={"env_vars": {key: os.environ[key] for key in interface.VARIABLES if key in os.environ}},
    )
