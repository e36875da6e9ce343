"""Ray's trainer, without what this program does not use; imported where Ray has been started."""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import ENABLE_CONTROLLER_STRUCTURED_LOGGING_ENV_VAR
from ray.train.v2._internal.execution.controller import TrainController

from pipeline.cluster import allocator, interface, messages, one_machine, share, worker
from pipeline.cluster.one_machine import Ahead
from pipeline.cluster.share import Share

if TYPE_CHECKING:
    from pipeline.cluster.run import Plan
    from pipeline.params.steps import Placement

_RESIZE_SECONDS = 60.0  # between checks for room for more workers; each change costs the work since the last checkpoint


class Training:
    """A function's call on workers; Ray restarts those, but keeps no checkpoints: see training/checkpoint.py."""

    def __init__(self, call: "partial[None]", plan: "Plan", *, is_local: bool) -> None:
        """Start what can be started before `run`.

        Args:
            call: the function, with its job and its absolute folder.
            plan: where and on how many workers.
            is_local: whether the cluster is this machine's own and ends with this process.

        Raises:
            ClusterError: the cluster lacks the resources.
        """
        self._call, self._plan, self._is_local = call, plan, is_local
        self._hosts = share.hosting(ray.nodes(), plan.placement.node_labels)
        self._part = share.share(self._hosts, plan.num_workers, plan.tiles)
        self._queue = messages.queue()
        self._ahead = one_machine.start(self._part, plan.placement, call.func) if is_local else None

    def run(self, listeners: dict[str, Callable[[Any], None]]) -> Exception | None:
        """Call the function until it ends; return the error that ended the calls of listeners, if any."""
        place, labels, folder = self._plan.place, self._plan.placement.node_labels, self._call.keywords["folder"]
        trainer = _Trainer(
            worker.work,
            ahead=self._ahead,
            is_local=self._is_local,
            train_loop_config={
                "call": self._call,
                "sees": (*place.reads, folder) if place.is_shared else place.reads,
                "certain": self._plan.certain,
                "queue": self._queue,
                "threads": self._part.cpus,
            },
            torch_config=worker.ProcessGroup(),
            scaling_config=_scaling(self._part, self._plan.placement),
            run_config=_run_config(folder, self._plan.max_failures, messages.failure_callback(self._queue)),
        )
        waiting = None if self._is_local else messages.waiting_line(self._part.workers, len(self._hosts), labels)
        with ThreadPoolExecutor(1) as threads:
            try:
                listening = threads.submit(messages.listen, self._queue, listeners, waiting)
                trainer.fit()
            finally:
                self._queue.put(None)
        return listening.result()


def _scaling(part: Share, placement: "Placement") -> ScalingConfig:
    return ScalingConfig(
        num_workers=part.workers,
        use_gpu=part.use_gpu,
        resources_per_worker=part.resources,
        elastic_resize_monitor_interval_s=_RESIZE_SECONDS,
        placement_strategy=placement.strategy.upper(),
        label_selector=dict(placement.node_labels) or None,
    )


def _run_config(folder: Path, max_failures: int, callback: Any) -> RunConfig:
    sent = [key for key in (*interface.VARIABLES, *allocator.VARIABLES) if key in os.environ]
    return RunConfig(
        name=folder.name,
        storage_path=str(folder.parent),
        failure_config=FailureConfig(max_failures=max_failures),
        callbacks=[callback],
        worker_runtime_env={"env_vars": {key: os.environ[key] for key in sent}},
    )


class _Trainer(TorchTrainer):  # type: ignore[misc]  # Ray's types are incomplete
    """A TorchTrainer that starts fewer processes, each of which would import Ray Train: seconds of a core."""

    def __init__(self, *args: Any, is_local: bool, ahead: Ahead | None, **options: Any) -> None:
        """Take what TorchTrainer takes, whether the cluster is this machine's own, and its first workers if so."""
        # There are no datasets of Ray's. What reserved room is left behind only where the cluster stays.
        self._unused = (DatasetsCallback, *((PlacementGroupCleanerCallback,) if is_local else ()))
        self._is_local, self._ahead = is_local, ahead
        super().__init__(*args, **options)

    def _create_default_callbacks(self) -> list[Any]:
        return [each for each in super()._create_default_callbacks() if not isinstance(each, self._unused)]

    def _initialize_and_run_controller(self, *, scaling_policy: Any, **options: Any) -> Any:
        if not self._is_local:  # an actor, whose end tells PlacementGroupCleaner that this process has been killed
            return super()._initialize_and_run_controller(scaling_policy=scaling_policy, **options)
        if not self.scaling_config.elasticity_enabled:
            scaling_policy = one_machine.Scaling(self.scaling_config)
        # Left to itself, Ray would print what it logs; what it means for the run is said by this program.
        os.environ[ENABLE_CONTROLLER_STRUCTURED_LOGGING_ENV_VAR] = "0"
        logging.getLogger("ray.train").setLevel(logging.CRITICAL)
        controller = TrainController(scaling_policy=scaling_policy, **options)  # within this process
        controller.worker_group_cls = one_machine.Groups(self._ahead)
        # Not asyncio.run, which has a handler of SIGINT of its own.
        loop = asyncio.new_event_loop()
        try:
            with one_machine.without_meetings():
                loop.run_until_complete(controller.run())
        finally:
            loop.close()
        return controller.get_result()

    def _register_sigint_handler(self, controller: Any) -> None:
        """Leave it out: Ray's handler would end the process with status 0."""
