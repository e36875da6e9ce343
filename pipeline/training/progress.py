"""Training progress on the terminal."""

import math
import sys
import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.artifacts.model import Metrics
from pipeline.training import estimate

EVERY = 30.0
"""Seconds after which something is said where the output is no terminal, whatever the training does."""
WARM_UP = 10.0
"""Seconds after the first batch that no estimate counts: first steps compile, and wait for what they read."""


class TrainingLine:
    """A live line if the output is a terminal, else one every 30 s; and a plain line per finished epoch."""

    def __init__(
        self,
        num_epochs: int,
        *,
        work: Callable[[float], float] = lambda done: done,
        checkpoint_bytes: int = 0,
    ) -> None:
        """Take what is known of the training; the time that is left is estimated from what is seen after `WARM_UP`.

        Args:
            num_epochs: of the training.
            work: returns how long the first so many epochs take, in any unit; by default, all take the same.
            checkpoint_bytes: the size of the checkpoints that it keeps.
        """
        self._num_epochs, self._work = num_epochs, work
        self._checkpoint_bytes = checkpoint_bytes
        self._measured_from: tuple[float, float] | None = None  # the time, and how many epochs were done then
        self._first_done = 0.0  # epochs that were done at the first batch
        self._is_warm = self._is_estimated = False
        self._console = Console(file=sys.stdout, highlight=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._made_at = self._said_at = self._heard_at = time.monotonic()
        self._newest = ""
        self._ended = threading.Event()
        self._speaker = threading.Thread(target=self._speak, daemon=True)

    def __enter__(self) -> "TrainingLine":
        """Show the line."""
        if self._console.is_terminal:
            self._live.start()
        else:
            self._speaker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the line."""
        self._live.stop()
        self._ended.set()
        if self._speaker.is_alive():
            self._speaker.join()

    def progress(self, now: Metrics) -> None:
        """Show the epoch in progress: epoch, done (a fraction), train/loss, images_per_second and memory_bytes."""
        done = now["epoch"] - 1 + now["done"]
        self._heard_at = time.monotonic()
        if self._measured_from is None:
            self._measured_from, self._first_done = (self._heard_at, done), done
            self._say(f"first batch after {self._heard_at - self._made_at:.0f} s")
        text = f"epoch {now['epoch']:.0f}/{self._num_epochs} {now['done']:4.0%}  loss {now['train/loss']:.3f}  "
        self._newest = f"{text}{now['images_per_second']:.1f} images/s  {self.left(done)}"
        if self._console.is_terminal:
            self._live.update(Text(self._newest), refresh=True)
        self._warm_up(done, now["memory_bytes"])

    def report(self, epoch: Metrics) -> None:
        """Print a finished epoch."""
        scores = {"val loss": "val/loss", "val mIoU": "val/miou"}  # if the epoch was validated
        shown = "".join(f"{name} {epoch[key]:.3f}  " for name, key in scores.items() if key in epoch)
        text = f"epoch {epoch['epoch']:.0f}/{self._num_epochs}  loss {epoch['train/loss']:.3f}  {shown}"
        self._say(f"{text}{epoch['images_per_second']:.1f} images/s  {self.left(epoch['epoch'])}")

    def left(self, done: float) -> str:
        """Return how long the rest takes, after `done` epochs."""
        if done >= self._num_epochs:
            return "0 s left"
        if self._measured_from is None or done <= self._measured_from[1]:
            return "time left: not known yet"
        began, first = self._measured_from
        past, left = self._work(done) - self._work(first), self._work(self._num_epochs) - self._work(done)
        seconds = (time.monotonic() - began) / past * left
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"

    def _warm_up(self, done: float, memory_bytes: float) -> None:
        """Forget the first steps once they are over, and say what the training takes after as long again."""
        now, (began, first) = time.monotonic(), self._measured_from or (math.inf, 0.0)
        if self._is_estimated or now < began + WARM_UP:
            return
        if not self._is_warm:
            self._is_warm, self._measured_from = True, (now, done)
        elif done > first:
            self._is_estimated, last = True, self._num_epochs
            seconds = (now - began) / (self._work(done) - self._work(first))
            whole = seconds * (self._work(last) - self._work(self._first_done))
            advice = "; segnet plan says what would be faster" if whole > estimate.PATIENCE else ""
            self._say(
                f"estimate: {estimate.in_words(seconds, whole, last - self._first_done)}; memory "
                f"{estimate.size(memory_bytes)} per worker, checkpoints {estimate.size(self._checkpoint_bytes)}{advice}"
            )

    def _say(self, text: str) -> None:
        self._said_at = time.monotonic()
        self._console.print(text, soft_wrap=True)

    def _speak(self) -> None:
        """Say the newest progress where nothing was said for a while, and how old it is if it is old."""
        while not self._ended.wait(max(0.0, self._said_at + EVERY - time.monotonic())):
            now = time.monotonic()
            if now < self._said_at + EVERY:
                continue
            age = now - self._heard_at
            if not self._newest:
                self._say(f"waiting for the first batch, for {now - self._made_at:.0f} s")
            else:
                self._say(f"{self._newest}, {age:.0f} s ago" if age >= EVERY else self._newest)
