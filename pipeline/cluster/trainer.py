"""Ray's trainer, without what this program does not use; imported where Ray has been started."""

import asyncio
import logging
import os
from typing import Any

from ray.runtime_context import RuntimeContext
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import ENABLE_CONTROLLER_STRUCTURED_LOGGING_ENV_VAR
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup


class _OneMachine(FixedScalingPolicy):  # type: ignore[misc]  # Ray's types are incomplete
    """The scaling of workers whose number is fixed, where no autoscaler need be asked for machines."""

    def after_controller_start(self, train_run_context: Any) -> None:
        """Leave out the actor that would ask; it takes a second and a half of a core before any worker starts."""

    def _maybe_send_resource_request(self) -> None:
        pass


class _Workers(WorkerGroup):  # type: ignore[misc]
    """Workers whose controller is no actor: they get no handle of it, by which they could list Ray's checkpoints."""

    def _init_train_context_on_workers(self, *arguments: Any) -> None:
        current = RuntimeContext.current_actor
        RuntimeContext.current_actor = None
        try:
            super()._init_train_context_on_workers(*arguments)
        finally:
            RuntimeContext.current_actor = current


class _Controller(TrainController):  # type: ignore[misc]
    """What starts workers, watches them and starts them again, within this process."""

    worker_group_cls = _Workers


class Trainer(TorchTrainer):  # type: ignore[misc]  # Ray's types are incomplete
    """A TorchTrainer that starts fewer processes, each of which would import Ray Train: seconds of a core."""

    def __init__(self, *args: Any, is_local: bool, **options: Any) -> None:
        """Take what TorchTrainer takes, and whether the cluster is this machine's own and ends with this process."""
        # There are no datasets of Ray's. What reserved room is left behind only where the cluster stays.
        self._unused = (DatasetsCallback, *((PlacementGroupCleanerCallback,) if is_local else ()))
        self._is_local = is_local
        super().__init__(*args, **options)

    def _create_default_callbacks(self) -> list[Any]:
        return [each for each in super()._create_default_callbacks() if not isinstance(each, self._unused)]

    def _initialize_and_run_controller(self, *, scaling_policy: Any, **options: Any) -> Any:
        if not self._is_local:  # an actor, whose end tells PlacementGroupCleaner that this process has been killed
            return super()._initialize_and_run_controller(scaling_policy=scaling_policy, **options)
        if not self.scaling_config.elasticity_enabled:
            scaling_policy = _OneMachine(self.scaling_config)
        # Left to itself, Ray would print what it logs; what it means for the run is said by this program.
        os.environ[ENABLE_CONTROLLER_STRUCTURED_LOGGING_ENV_VAR] = "0"
        logging.getLogger("ray.train").setLevel(logging.CRITICAL)
        controller = _Controller(scaling_policy=scaling_policy, **options)
        # Not asyncio.run, which has a handler of SIGINT of its own.
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(controller.run())
        finally:
            loop.close()
        return controller.get_result()

    def _register_sigint_handler(self, controller: Any) -> None:
        """Leave it out: Ray's handler would end the process with status 0."""
