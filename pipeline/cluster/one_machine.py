"""Ray Train on this machine's own cluster: fewer processes, and workers that start before their training.

Each process that is left out would import Ray Train: seconds of a core. Imported where Ray has been started.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError
from ray.runtime_context import RuntimeContext
from ray.train.v2._internal.exceptions import WorkerGroupStartupFailedError
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup, state, worker_group
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.train.v2._internal.execution.worker_group.worker import Worker
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from pipeline.cluster import worker
from pipeline.cluster.share import Share

if TYPE_CHECKING:
    from pipeline.params.steps import Placement


@dataclass(frozen=True)
class Ahead:
    """Workers of this machine's own cluster that were started before their training."""

    placement: DefaultPlacementGroupHandle
    actors: tuple[Any, ...]


def start(part: Share, placement: "Placement", function: Callable[..., None]) -> Ahead | None:
    """Start a fixed number of workers, as Ray Train would, and have them import the function's module."""
    if isinstance(part.workers, tuple):
        return None
    group = placement_group([part.resources] * part.workers, strategy=placement.strategy.upper())
    kind = ray.remote(num_cpus=part.resources["CPU"], num_gpus=part.resources.get("GPU", 0))(WorkerGroup._worker_cls)
    actors = tuple(
        kind.options(
            scheduling_strategy=PlacementGroupSchedulingStrategy(
                placement_group=group, placement_group_bundle_index=number
            )
        ).remote()
        for number in range(part.workers)
    )
    for actor in actors:
        actor.execute.remote(worker.receive, function)
    return Ahead(DefaultPlacementGroupHandle(group), actors)


class Scaling(FixedScalingPolicy):  # type: ignore[misc]  # Ray's types are incomplete
    """The scaling of workers whose number is fixed, where no autoscaler need be asked for machines."""

    def after_controller_start(self, train_run_context: Any) -> None:
        """Leave out the actor that would ask; it takes a second and a half of a core before any worker starts."""

    def _maybe_send_resource_request(self) -> None:
        pass


class _Workers(WorkerGroup):  # type: ignore[misc]
    """Workers of this machine's own cluster."""

    ahead: Ahead | None = None

    def _create_placement_group(self, *arguments: Any) -> Any:
        return self.ahead.placement if self.ahead else super()._create_placement_group(*arguments)

    def _create_workers(self, number: int, group: Any, resources: dict[str, float], **options: Any) -> list[Worker]:
        if not self.ahead:
            return list(super()._create_workers(number, group, resources, **options))
        actors, self.ahead = self.ahead.actors, None
        try:
            all_metadata = ray.get([actor.get_metadata.remote() for actor in actors])
        except RayActorError as err:
            raise WorkerGroupStartupFailedError("a worker died before the training began") from err
        workers = [
            Worker(actor, metadata, resources, placement_group_bundle_index=bundle)
            for bundle, (actor, metadata) in enumerate(zip(actors, all_metadata, strict=True))
        ]
        return list(self._assign_worker_ranks(workers, 0, None, options.get("replica_group_size")))

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> dict[str, Any]:
        """Return none of their own: they inherit this process's, and no agent would make them another."""
        return {}

    def _init_train_context_on_workers(self, *arguments: Any) -> None:
        """Give them no handle of the controller, which is no actor; by it they could list Ray's checkpoints."""
        current = RuntimeContext.current_actor
        RuntimeContext.current_actor = None
        try:
            super()._init_train_context_on_workers(*arguments)
        finally:
            RuntimeContext.current_actor = current


@dataclass
class Groups:
    """Starts groups of workers, and takes those that were started ahead as the first."""

    ahead: Ahead | None

    def create(self, *arguments: Any, **options: Any) -> _Workers:
        """Return a group whose workers run; see WorkerGroup.create."""
        group = _Workers(*arguments, **options)
        group.ahead, self.ahead = self.ahead, None
        group._start()
        return group


@contextmanager
def without_meetings() -> Iterator[None]:
    """Start no actor at which workers meet to report checkpoints to Ray, which these never do; it imports Ray Train."""

    class NoActor:
        @classmethod
        def options(cls, **_: Any) -> type["NoActor"]:
            return cls

        @staticmethod
        def remote(**_: Any) -> str:
            return "none"

    actor, end = worker_group.SynchronizationActor, state._shutdown_sync_actor
    worker_group.SynchronizationActor, state._shutdown_sync_actor = NoActor, lambda _: None
    try:
        yield
    finally:
        worker_group.SynchronizationActor, state._shutdown_sync_actor = actor, end
