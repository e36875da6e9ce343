"""Records of a training, and how each kind of record is written to an MLflow run."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.files import disk
from pipeline.tracking import store

NAME_TAG = "training_run"
CLONE_TAG = "training_clone"
_PARAMS_PER_REQUEST = 100  # MLflow refuses more


def now() -> int:
    """Return the current time as MLflow represents it, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Record:
    """Something to record about a training; writing it twice has the same effect as writing it once."""

    kind: str
    """A key of `KINDS`."""
    content: Mapping[str, Any]
    """Depends on the kind; anything that JSON can hold."""
    at: int = field(default_factory=now)
    """When it was recorded, in milliseconds since 1970; it may be sent later."""
    file: Path | None = None
    """A file or folder that goes with it."""


class Point(NamedTuple):
    """A point of a curve."""

    step: int
    at: int
    """Milliseconds since 1970."""
    value: float


class Curve:
    """What is known of a curve's points, of which a night has thousands."""

    def __init__(self, points: Iterable[Point] = ()) -> None:
        """Take the points that it has."""
        self.steps, self.times, self.last = set[int](), set[int](), -1
        for point in points:
            self.add(point)

    def add(self, point: Point) -> None:
        """Note another point."""
        self.steps.add(point.step)
        self.times.add(point.at)
        self.last = max(self.last, point.step)


class Writer:
    """Writes records to a run."""

    def __init__(self, uri: str, run_id: str) -> None:
        """Write to the run `run_id` of the store `uri`."""
        self.client, self.run_id = store.client(uri), run_id
        self._curves: dict[str, Curve] = {}
        self._begun: Collection[str] | None = None  # curves that the run had before this process wrote to it

    def write(self, record: Record) -> None:
        """Write a record; one that the run already has changes nothing.

        Raises:
            ValueError: a param was recorded with another value, which MLflow cannot change.
            UnreachableError: a ValueError; the disk that artifacts are kept on is full, or may only be read.
        """
        try:
            KINDS[record.kind](self, record)
        except OSError as err:
            if disk.refuses(err):
                raise store.UnreachableError(
                    f"a file of the training cannot be recorded: {err}; make room or correct its permissions"
                ) from err
            raise

    def tags(self) -> dict[str, str]:
        """Return the run's tags."""
        return dict(self.client.get_run(self.run_id).data.tags)

    def curve(self, key: str) -> Curve:
        """Return a curve, whose points are fetched only once, since this process is the run's only writer."""
        if key not in self._curves:
            if self._begun is None:
                self._begun = self.client.get_run(self.run_id).data.metrics.keys()
            history = self.client.get_metric_history(self.run_id, key) if key in self._begun else ()
            self._curves[key] = Curve(Point(point.step, point.timestamp, point.value) for point in history)
        return self._curves[key]

    def add(self, points: Mapping[str, Point]) -> None:
        """Add a point to each curve."""
        from mlflow.entities import Metric

        metrics = [Metric(key, point.value, point.at, point.step) for key, point in points.items()]
        self.client.log_batch(self.run_id, metrics)
        for key, point in points.items():
            self.curve(key).add(point)


def find(uri: str, experiment: str, name: str, clone: str | None = None) -> str | None:
    """Return the id of the run of the training `name`, by `clone` or any clone; None if there is none.

    Of several, it is the earliest.
    """
    experiments, query = [store.experiment_id(uri, experiment)], f"tags.{NAME_TAG} = '{name}'"
    if clone is not None:
        query += f" AND tags.{CLONE_TAG} = '{clone}'"
    candidates = store.client(uri).search_runs(experiments, query)
    first = min(candidates, key=lambda run: (run.info.start_time, run.info.run_id), default=None)
    return None if first is None else str(first.info.run_id)


def create(uri: str, experiment: str, name: str, clone: str, *, at: int) -> str:
    """Create the run of the training `name` by `clone`, which began at `at`; return its id.

    If two processes of a clone do this at the same time, one run is deleted and both continue with the other.
    """
    number, client = store.experiment_id(uri, experiment), store.client(uri)
    tags = {NAME_TAG: name, CLONE_TAG: clone}
    created = client.create_run(number, start_time=at, run_name=name, tags=tags).info.run_id
    first = find(uri, experiment, name, clone) or created
    if first != created:
        client.delete_run(created)
    return str(first)


def _write_status(writer: Writer, record: Record) -> None:
    status = record.content["status"]
    if status == "RUNNING":
        writer.client.update_run(writer.run_id, status=status)
    else:
        writer.client.set_terminated(writer.run_id, status, end_time=record.at)


def _write_params(writer: Writer, record: Record) -> None:
    from mlflow.entities import Param

    known = writer.client.get_run(writer.run_id).data.params
    for key, value in record.content.items():
        if known.get(key, value) != value:
            raise ValueError(
                f"expected {key} = {known[key]}, which run {writer.run_id} began with, got {value}; a run's params "
                f"cannot be changed; to record it again, delete the run (mlflow runs delete --run-id {writer.run_id})"
            )
    new = [Param(key, value) for key, value in record.content.items() if key not in known]
    for first in range(0, len(new), _PARAMS_PER_REQUEST):
        writer.client.log_batch(writer.run_id, params=new[first : first + _PARAMS_PER_REQUEST])


def _write_metrics(writer: Writer, record: Record) -> None:
    """Add points at a step, except to curves that already have the step: MLflow would keep both points."""
    step, metrics = record.content["step"], record.content["metrics"]
    new = [key for key in metrics if step not in writer.curve(key).steps]
    writer.add({key: Point(step, record.at, metrics[key]) for key in new})


def _write_load(writer: Writer, record: Record) -> None:
    """Add points at each curve's next step, except to curves that already have a point at that time."""
    curves = {key: writer.curve(key) for key in record.content}
    steps = {key: curve.last + 1 for key, curve in curves.items() if record.at not in curve.times}
    writer.add({key: Point(step, record.at, record.content[key]) for key, step in steps.items()})


def _write_scores(writer: Writer, record: Record) -> None:
    """Add points at step 0, except those that a curve already has or whose value is its latest."""
    known = writer.client.get_run(writer.run_id).data.metrics
    changed = {key: Point(0, record.at, value) for key, value in record.content.items() if known.get(key) != value}
    writer.add({key: point for key, point in changed.items() if record.at not in writer.curve(key).times})


def _write_dataset(writer: Writer, record: Record) -> None:
    from mlflow import MlflowException
    from mlflow.entities import Dataset, DatasetInput, InputTag

    content = record.content
    source = json.dumps({"uri": content["source"]})
    dataset = Dataset(content["name"], content["digest"], source_type="local", source=source)
    context = InputTag("mlflow.data.context", content["context"])
    inputs = [DatasetInput(dataset, [context])]
    try:
        writer.client.log_inputs(writer.run_id, inputs)
    except MlflowException as err:
        if err.error_code != "BAD_REQUEST":
            raise
        # MLflow looks for the experiment's data set, then adds it; another run added it in between, so it is found now.
        writer.client.log_inputs(writer.run_id, inputs)


def _write_tags(writer: Writer, record: Record) -> None:
    from mlflow.entities import RunTag

    writer.client.log_batch(writer.run_id, tags=[RunTag(key, value) for key, value in record.content.items()])


def _write_document(writer: Writer, record: Record) -> None:
    writer.client.log_dict(writer.run_id, record.content["tree"], record.content["name"])


def _write_file(writer: Writer, record: Record) -> None:
    writer.client.log_artifact(writer.run_id, str(record.file), record.content["folder"] or None)


KINDS: Mapping[str, Callable[[Writer, Record], None]] = {
    "status": _write_status,
    "params": _write_params,
    "metrics": _write_metrics,
    "load": _write_load,
    "scores": _write_scores,
    "dataset": _write_dataset,
    "tags": _write_tags,
    "document": _write_document,
    "file": _write_file,
}
