"""Running a function on N workers with Ray Train, and forwarding what they report."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.artifacts.model import Metrics
from pipeline.cluster import allocator, local, nodes, share
from pipeline.cluster.failures import ClusterError, cause, described
from pipeline.cluster.share import Number
from pipeline.files import signals, source_code

if TYPE_CHECKING:
    from pipeline.cluster.trainer import Training
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
_ON_A_CLUSTER = {"RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "30"}
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


class Workers:
    """Workers that have been started; see `workers`."""

    def __init__(self, training: "Training") -> None:
        """Take what has started them."""
        self._training = training

    def run(self, *, on_report: Listener, on_progress: Listener, on_pictures: Callable[[Any], None]) -> None:
        """Run the function on them until it ends; if one fails, all are restarted. Their messages are logged.

        Args:
            on_report: called in this process, in a separate thread, with what a worker reports. An error in it, or in
                one of the following, ends the calls and is raised once the workers have ended.
            on_progress: likewise, with a worker's progress.
            on_pictures: likewise, with what a worker shows of its network.

        Raises:
            ClusterError: workers failed too often or with a `certain` error. If memory ran out, the message says which
                settings reduce it.
        """
        listeners = {"report": on_report, "progress": on_progress, "say": _log.info, "pictures": on_pictures}
        with _cluster():
            error = self._training.run(listeners)
        if error:
            raise error


@contextmanager
def workers(function: Function, job: Any, plan: Plan) -> Iterator[Workers]:
    """Start workers for `function`, which `run` of what is yielded calls; meanwhile they import what it needs.

    The cluster is the one that RAY_ADDRESS names, or a local one that ends with the context, or with `run`.

    Args:
        function: called once in each worker, within torch's process group (nccl with GPUs, else gloo).
        job: its first argument.
        plan: where and on how many workers.

    Raises:
        ClusterError: the cluster lacks the resources, or its nodes lack what workers need.
    """
    is_local = "RAY_ADDRESS" not in os.environ
    set_environment(is_local=is_local)
    place: AbstractContextManager[dict[str, Any]] = local.options() if is_local else nullcontext({})
    folder = plan.place.folder.resolve()  # a worker has another current folder
    folder.mkdir(parents=True, exist_ok=True)
    with place as options, _cluster():
        _log.info("starting Ray on this machine" if is_local else f"joining Ray at {os.environ['RAY_ADDRESS']}")
        _connect_to(plan, folder, options)
        from pipeline.cluster.trainer import Training

        yield Workers(Training(partial(function, job, folder=folder), plan, is_local=is_local))


@contextmanager
def _cluster() -> Iterator[None]:
    """Leave the cluster afterwards, or end it, and raise an error of Ray's as one that says what to do."""
    import ray
    from ray.exceptions import RayError
    from ray.train.v2.api.exceptions import TrainingFailedError

    try:
        yield
    except (TrainingFailedError, RayError) as err:
        failures = getattr(err, "worker_failures", None)
        raise ClusterError(cause(failures) if failures else described(err)) from err
    finally:
        ray.shutdown()


def set_environment(*, is_local: bool) -> None:
    """Set what Ray and its workers read when they are imported or started; the user's own settings take precedence."""
    for key, value in {**_ENVIRONMENT, **(local.ENVIRONMENT if is_local else _ON_A_CLUSTER)}.items():
        os.environ.setdefault(key, value)


def _connect_to(plan: Plan, folder: Path, options: dict[str, Any]) -> None:
    """Start a local cluster with `options`, or join the one that RAY_ADDRESS names if there are none."""
    import ray

    if options:
        with local.few_processes():
            _connect(address="local", **options)
        share.check_labels(ray.nodes(), plan.placement.node_labels)
    else:
        join(plan.place.reads, folder if plan.place.is_shared else None, plan.placement)


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
