"""Training progress on the terminal."""

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.artifacts.model import Metrics
from pipeline.training import estimate


class TrainingLine:
    """A live line if the output is a terminal, and a plain line per finished epoch in any case."""

    def __init__(self, num_epochs: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start; the remaining time is estimated from the epochs that this process sees."""
        self._num_epochs, self._clock = num_epochs, clock
        self._began: tuple[float, float] | None = None
        self._is_estimated = False
        self._console = Console(file=sys.stdout, highlight=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)

    def __enter__(self) -> "TrainingLine":
        """Show the line."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the line."""
        self._live.stop()

    def progress(self, now: Metrics) -> None:
        """Show the epoch in progress: its keys are epoch, done (a fraction), train/loss and images_per_second."""
        done = now["epoch"] - 1 + now["done"]
        if self._began is None:
            self._began = (self._clock(), done)
        elif not self._is_estimated and done > self._began[1]:
            self._is_estimated = True
            seconds = (self._clock() - self._began[0]) / (done - self._began[1])
            text = estimate.in_words(seconds, round(self._num_epochs - self._began[1]))
            self._console.print(f"estimate: {text}", soft_wrap=True)
        if self._console.is_terminal:
            text = f"epoch {now['epoch']:.0f}/{self._num_epochs} {now['done']:4.0%}  loss {now['train/loss']:.3f}  "
            self._live.update(Text(f"{text}{now['images_per_second']:.1f} images/s  {self._left(done)}"), refresh=True)

    def report(self, epoch: Metrics) -> None:
        """Print a finished epoch."""
        scores = {"val loss": "val/loss", "val mIoU": "val/miou"}  # if the epoch was validated
        shown = "".join(f"{name} {epoch[key]:.3f}  " for name, key in scores.items() if key in epoch)
        text = f"epoch {epoch['epoch']:.0f}/{self._num_epochs}  loss {epoch['train/loss']:.3f}  {shown}"
        text += f"{epoch['images_per_second']:.1f} images/s  {self._left(epoch['epoch'])}"
        self._console.print(text, soft_wrap=True)

    def _left(self, done: float) -> str:
        if self._began is None or done <= self._began[1]:
            return "time left: not known yet"
        seconds = (self._clock() - self._began[0]) / (done - self._began[1]) * (self._num_epochs - done)
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
