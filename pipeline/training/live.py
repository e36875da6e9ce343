"""runs/<name>/live.html and history.csv: a training as it goes, for a browser that opens the file."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipeline.artifacts.model import Metrics
from pipeline.artifacts.tileset import Tileset
from pipeline.core.arrays import Pixels
from pipeline.files import atomic, charts, csv_table, images, pictures, templates
from pipeline.training import estimate, initial
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.phases import full_epochs
from pipeline.training.predictions import BOX, shown
from pipeline.training.progress import TrainingLine
from pipeline.training.trainer import Job

_log = logging.getLogger(__name__)
_SECONDS = 10.0  # between two writes of the page within an epoch, and between a browser's reloads
PAGE, HISTORY = "live.html", "history.csv"
_WORDS = {"miou": "mIoU", "class_accuracy": "class accuracy", "global_accuracy": "global accuracy"}


class Watched:
    """A training that is shown on the terminal and in its run's folder."""

    def __init__(self, folder: Path, job: Job, line: TrainingLine, log: Callable[[Metrics], None]) -> None:
        """Take the run's folder, whose history.csv is continued, and what else is called with each epoch."""
        self._folder, self._line, self._log = folder, line, log
        self._num_epochs, self._select_by = job.settings.epochs, job.settings.select_by
        self._with_val = job.settings.with_val
        tiles = Tileset(job.tiles, "val")
        self._classes, self._dataset = tiles.header.classes, tiles.header.dataset
        numbers = shown(len(tiles))
        self._tiles = [(source, *tiles[i]) for i, source in zip(numbers, tiles.sources(numbers), strict=True)]
        self._history = _read(folder / HISTORY)
        self._now: Metrics | None = None
        self._predictions: list[str] = [""] * len(self._tiles)
        self._written = -math.inf

    @property
    def listeners(self) -> dict[str, Callable[[Any], None]]:
        """Return what is called with workers' messages, by the names that Workers.run gives them."""
        return {"on_report": self.report, "on_progress": self.progress, "on_pictures": self.pictures}

    def start(self) -> None:
        """Show that the training runs; the page of one that has all its epochs stays, with its last predictions."""
        if len(self._history) < self._num_epochs or not (self._folder / PAGE).exists():
            self.write("running")

    def progress(self, now: Metrics) -> None:
        """Show the epoch in progress."""
        self._line.progress(now)
        self._now = now
        if time.monotonic() > self._written + _SECONDS:
            self.write("running")

    def pictures(self, masks: Sequence[Pixels]) -> None:
        """Show the masks that the network predicts for the tiles that are shown, from the next epoch on."""
        self._predictions = [
            pictures.overlay_uri(images.resize_image(image, mask.shape), mask, self._classes, BOX)
            for (_, image, _), mask in zip(self._tiles, masks, strict=True)
        ]

    def report(self, epoch: Metrics) -> None:
        """Add a finished epoch; one that was repeated after a loss of workers takes the place of the first."""
        self._line.report(epoch)
        self._history = [*(row for row in self._history if row["epoch"] < epoch["epoch"]), epoch]
        self._now = None
        self.write("running")
        self._log(epoch)

    def finish(self, result: Checkpoint) -> None:
        """Show the whole training, which has ended, and log its best epoch."""
        self._history, self._now = list(result.history), None
        if self._written > -math.inf:
            self.write("finished")
        score = result.history[result.best_epoch].get(f"val/{self._select_by}")
        chosen_by = "the last; nothing was validated" if score is None else f"val {_WORDS[self._select_by]} {score:.3f}"
        best = f"best epoch {result.best_epoch + 1} of {len(result.history)}, {chosen_by}"
        _log.info(f"{best}; curves and pictures: {self._folder / PAGE}")

    def write(self, state: str) -> None:
        """Write history.csv and live.html, whose training is running, finished or stopped."""
        columns = list(dict.fromkeys(key for row in self._history for key in row))
        csv_table.write(self._folder / HISTORY, columns, ([row.get(key) for key in columns] for row in self._history))
        done = self._now["epoch"] - 1 + self._now["done"] if self._now else float(len(self._history))
        validated = [row for row in self._history if "val/miou" in row]
        template = templates.environment("pipeline.training").get_template(f"{PAGE}.j2")
        html = template.render(
            style=templates.style("page.css", "charts.css"),
            seconds=_SECONDS,
            state=state,
            run=self._folder.name,
            dataset=self._dataset,
            num_epochs=self._num_epochs,
            now=self._now,
            history=self._history,
            left=self._line.left(done),
            at=time.strftime("%Y-%m-%d %H:%M:%S"),
            charts=charts,
            losses=charts.losses(self._history),
            scores=charts.scores(self._history),
            best=max(validated, key=lambda row: _score(row, self._select_by), default=None),
            select_by=self._select_by,
            with_val=self._with_val,
            score=_WORDS[self._select_by],
            ious=self._ious(validated[-1]) if validated else [],
            rows=self._rows(),
        )
        atomic.write_text(self._folder / PAGE, html)
        self._written = time.monotonic()

    def _ious(self, row: Metrics) -> list[tuple[str, str, float]]:
        """Return each class's name, colour and IoU after an epoch."""
        pairs = zip(self._classes.names, self._classes.colours, strict=True)
        return [(name, f"rgb{colour}", row.get(f"val/iou/{name}", math.nan)) for name, colour in pairs]

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Return each shown tile's name, and its image, mask and prediction as data URIs."""
        return [
            (name, pictures.jpeg_uri(image, BOX), pictures.overlay_uri(image, mask, self._classes, BOX), predicted)
            for (name, image, mask), predicted in zip(self._tiles, self._predictions, strict=True)
        ]


@contextmanager
def watched(folder: Path, job: Job, log: Callable[[Metrics], None]) -> Iterator[Watched]:
    """Show a training on the terminal and in its run's folder; `log` is called with each finished epoch."""
    with torch.device("meta"):  # shapes alone
        network = initial.network(job.model, Tileset(job.tiles, "train").header.classes.names, None)
    kept, work = estimate.checkpoint_bytes(network, job.settings), partial(full_epochs, job.settings)
    with TrainingLine(job.settings.epochs, work=work, checkpoint_bytes=kept) as line:
        watched = Watched(folder, job, line, log)
        watched.start()
        _log.info(f"watch it in a browser: {folder / PAGE}")
        try:
            yield watched
        except BaseException:
            watched.write("stopped")
            raise


def _score(row: Metrics, name: str) -> float:
    value = row[f"val/{name}"]
    return value if math.isfinite(value) else -math.inf


def _read(path: Path) -> list[Metrics]:
    """Return the epochs of an earlier part of the training; a broken file is reported, and begun anew."""
    if not path.exists():
        return []
    try:
        return [_parsed(row) for row in csv_table.read(path)]
    except (OSError, ValueError) as err:
        _log.warning(f"{path}: expected the history of this run, got {err!r}; it begins anew")
        return []


def _parsed(row: Mapping[str, str]) -> Metrics:
    """Return an epoch's metrics.

    Raises:
        ValueError: a value is no number, or the epoch's own is missing or none of 1, 2, ...
    """
    epoch = {key: float(value) for key, value in row.items() if value}
    number = epoch.get("epoch", math.nan)
    if not (number >= 1 and number.is_integer()):
        raise ValueError(f"a row of epoch {row.get('epoch')}")
    return epoch
