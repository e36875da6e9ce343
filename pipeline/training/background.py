"""Writing checkpoints while training continues."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from pipeline.artifacts.model import Tensors
from pipeline.training.checkpoint import Checkpoint


class Writer:
    """Writes one checkpoint at a time in a thread of its own; as a context, it ends when the last one is written."""

    def __init__(self, write: Callable[[Checkpoint], None]) -> None:
        """Take what writes a checkpoint."""
        self._write = write
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def __enter__(self) -> "Writer":
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the checkpoint that is being written; `finish` is what raises its error."""
        self._thread.shutdown()

    def submit(self, state: Checkpoint) -> None:
        """Start to write a checkpoint, once the one before is written.

        Its tensors are copied to the host first, but for those of the best model, which nothing changes.

        Raises:
            ValueError: the one before could not be written.
        """
        self.finish()
        copy = replace(
            state,
            model=_copied(state.model),
            optimizer=_copied(state.optimizer),
            average=_copied(state.average),
            sums=state.sums.to("cpu", copy=True),
        )
        self._writing = self._thread.submit(self._write, copy)

    def check(self) -> None:
        """Raise the error of the last write, if it has failed by now.

        Raises:
            ValueError: the checkpoint could not be written.
        """
        if self._writing is not None and self._writing.done():
            self.finish()

    def finish(self) -> None:
        """Wait until the last checkpoint is written.

        Raises:
            ValueError: it could not be written.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()


def _copied(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
