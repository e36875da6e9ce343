"""Running a function on N workers with Ray Train, and forwarding what they report."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.artifacts.model import Metrics
from pipeline.cluster import joining, local, share
from pipeline.cluster.failures import ClusterError, cause, described
from pipeline.cluster.share import Number

if TYPE_CHECKING:
    from pipeline.cluster.trainer import Training
    from pipeline.params.steps import Placement

_log = logging.getLogger(__name__)
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
    """auto: one per GPU of the cluster, as far as they can have equally many of `tiles`, or one if it has none.
    (fewest, most): as many as there is room for."""
    max_failures: int
    """How many times failed workers are restarted."""
    certain: type[Exception]
    """An error that all workers raise, and would raise again; it ends the run at once."""
    placement: "Placement"
    """On which nodes."""
    tiles: int
    """Those of a step in one part, of which workers have equally many."""


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
    is_local = not os.environ.get("RAY_ADDRESS")
    joining.set_environment(local.ENVIRONMENT if is_local else joining.ON_A_CLUSTER)
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


def _connect_to(plan: Plan, folder: Path, options: dict[str, Any]) -> None:
    """Start a local cluster with `options`, or join the one that RAY_ADDRESS names if there are none."""
    import ray

    if options:
        with local.few_processes():
            joining.connect(address="local", **options)
        share.check_labels(ray.nodes(), plan.placement.node_labels)
    else:
        joining.join(plan.place.reads, folder if plan.place.is_shared else None, plan.placement)
