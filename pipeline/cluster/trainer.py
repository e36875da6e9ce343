"""Ray's trainer, without what this program does not use; imported where Ray has been started."""

from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback


class Trainer(TorchTrainer):  # type: ignore[misc]  # Ray's types are incomplete
    """A TorchTrainer that starts fewer processes, each of which would import Ray Train: seconds of a core."""

    def __init__(self, *args: Any, is_local: bool, **options: Any) -> None:
        """Take what TorchTrainer takes, and whether the cluster is this machine's own and ends with this process."""
        # There are no datasets of Ray's. What reserved room is left behind only where the cluster stays.
        self._unused = (DatasetsCallback, *((PlacementGroupCleanerCallback,) if is_local else ()))
        super().__init__(*args, **options)

    def _create_default_callbacks(self) -> list[Any]:
        return [each for each in super()._create_default_callbacks() if not isinstance(each, self._unused)]

    def _register_sigint_handler(self, controller: Any) -> None:
        """Leave it out: Ray's handler would end the process with status 0."""
