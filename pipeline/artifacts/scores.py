"""A model's scores on the test images, overall and per image; written by evaluate.

scores.json and intervals.json are for people, and scores.json for DVC's metrics too; images.parquet holds the counts of
each image, from which every score can be recomputed and two models compared image by image; the tables are for plots.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core import boundary, metrics
from pipeline.core.arrays import Counts
from pipeline.core.calibration import Reliability
from pipeline.files import atomic, csv_table, strict_json, tables
from pipeline.files.strict_json import null_or_number, number_or_null

HEADLINE = ("test/miou", "test/class_accuracy", "test/global_accuracy", "test/boundary_f1")
_LARGEST_OFFSET = 2**31 - 1  # counts: 33,025 images of 255 classes
READ = ("scores.json", "images.parquet", "reliability.csv")  # the files that `read` needs


@dataclass(frozen=True)
class Intervals:
    """How much scores would vary with other test images."""

    level: float
    """Fraction of the resamples that an interval covers."""
    method: str
    """How they were computed, in words."""
    bounds: Mapping[str, tuple[float, float]]
    """Lower and upper bound of each metric, by its name without the prefix test/."""


@dataclass(frozen=True)
class Scores:
    """A model's counts on a test split of N images and C classes, with the run and data that they belong to."""

    run: str
    """Name of the training run."""
    dataset: str
    test_data: str
    """Digest of the scored images and masks; only scores with the same digest are comparable."""
    names: tuple[str, ...]
    """Names of the C classes."""
    ids: tuple[str, ...]
    """Ids of the N images."""
    sequences: tuple[str, ...]
    """Sequence of each of the N images."""
    counts: Counts
    """(N, C, C) int64 pixels; rows are targets, columns predictions."""
    boundaries: Counts
    """(N, C, 5) int64 boundary pixels, as core/boundary.py counts them."""
    reliability: Reliability
    """Over all images."""
    split: str = "test"
    """The images' split: test, or val where there are no test images; `metrics` has the same names for both."""

    @property
    def confusion(self) -> Counts:
        """Return the counts of all images, (C, C) int64."""
        total: Counts = self.counts.sum(axis=0)
        return total

    @property
    def metrics(self) -> dict[str, float]:
        """Return test/miou, test/boundary_f1, test/iou/<class> and all other metrics; NaN where undefined."""
        default = boundary.scores(self.boundaries)
        one_to_many = boundary.scores(self.boundaries, f1=boundary.one_to_many_f1)
        either = boundary.scores(self.boundaries, counted=boundary.in_target_or_prediction)
        of_classes = zip(self.names, default.class_f1s.tolist(), strict=True)
        return {
            **metrics.scores(self.confusion).named_in_full("test", self.names),
            "test/boundary_f1": default.boundary_f1,
            "test/boundary_f1_as_released": either.boundary_f1,
            "test/boundary_f1_one_to_many": one_to_many.boundary_f1,
            **{f"test/boundary_f1/{name}": value for name, value in of_classes},
            "test/calibration_error": self.reliability.expected_calibration_error,
        }


def write(folder: Path, scores: Scores, intervals: Intervals) -> None:
    """Write scores.json, images.parquet and the tables into `folder`; the same scores give the same bytes."""
    values = {name.removeprefix("test/"): number_or_null(float(value)) for name, value in scores.metrics.items()}
    tree = {
        "run": scores.run,
        "dataset": scores.dataset,
        "test_data": scores.test_data,
        "split": scores.split,
        "images": len(scores.ids),
        "counted_classes": metrics.scores(scores.confusion).counted_classes,
        # Per class, only the IoU: dvc metrics show prints one long line. The other scores are in classes.csv.
        scores.split: _nested(
            {name: value for name, value in values.items() if "/" not in name or name.startswith("iou/")}
        ),
    }
    bounds = {
        name: {"low": number_or_null(float(low)), "high": number_or_null(float(high))}
        for name, (low, high) in intervals.bounds.items()
    }
    interval = {"level": intervals.level, "method": intervals.method, "test": _nested(bounds)}
    atomic.write_json(folder / "intervals.json", interval)
    atomic.write_json(folder / "scores.json", tree)
    with atomic.replacing(folder / "images.parquet") as temporary:
        pq.write_table(_table(scores), temporary)
    _write_tables(folder, scores)


def _write_tables(folder: Path, scores: Scores) -> None:
    values = scores.metrics
    columns = ("iou", "accuracy", "dice", "boundary_f1")
    csv_table.write(
        folder / "classes.csv",
        ("class", *columns),
        (
            (name, *(number_or_null(float(values[f"test/{column}/{name}"])) for column in columns))
            for name in scores.names
        ),
    )
    confusion = scores.confusion
    shares = metrics.ratio(confusion, np.broadcast_to(confusion.sum(axis=1, keepdims=True), confusion.shape))
    csv_table.write(
        folder / "confusion.csv",
        ("target", "prediction", "pixels", "share"),
        (
            (target, prediction, int(confusion[t, p]), number_or_null(float(shares[t, p])))
            for t, target in enumerate(scores.names)
            for p, prediction in enumerate(scores.names)
        ),
    )
    bins = scores.reliability
    csv_table.write(
        folder / "reliability.csv",
        ("pixels", "correct", "confidence", "mean_confidence", "accuracy"),
        zip(
            bins.pixels.tolist(),
            bins.correct.tolist(),
            bins.confidence.tolist(),
            map(number_or_null, bins.confidences.tolist()),
            map(number_or_null, bins.accuracies.tolist()),
            strict=True,
        ),
    )


def read(folder: Path) -> Scores:
    """Read what `write` wrote.

    Raises:
        ValueError: a file is missing, or not as `write` writes it.
    """
    try:
        head = strict_json.parse((folder / "scores.json").read_bytes(), dict[str, str | int | dict[str, Any]])
        run, dataset, test_data = (str(head[key]) for key in ("run", "dataset", "test_data"))
        metadata = pq.read_schema(folder / "images.parquet").metadata or {}
        names = strict_json.parse(metadata[b"classes"], tuple[str, ...])
        shapes = (len(names), len(names)), (len(names), len(boundary.COLUMNS))
        lists = {"counts": prod(shapes[0]), "boundaries": prod(shapes[1])}
        table = tables.read(folder / "images.parquet", tables.schema({"id": "str", "sequence": "str"}, lists))
        ids, sequences = (tuple(map(str, table[name].to_pylist())) for name in ("id", "sequence"))
        counts, boundaries = (_array(table[name], shape) for name, shape in zip(lists, shapes, strict=True))
        reliability = _reliability(folder / "reliability.csv")
        split = str(head.get("split", "test"))  # an earlier program scored test images alone
    except (OSError, KeyError, TypeError, ValueError, OverflowError, pa.ArrowException) as err:
        raise ValueError(f"{folder}: expected scores that the evaluate stage wrote: {err}; run it again") from err
    return Scores(run, dataset, test_data, names, ids, sequences, counts, boundaries, reliability, split)


def read_intervals(folder: Path) -> Intervals:
    """Read the intervals that `write` wrote.

    Raises:
        ValueError: they are missing, or not as `write` writes them.
    """
    try:
        document = strict_json.parse((folder / "intervals.json").read_bytes(), _Intervals)
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder}: expected intervals that the evaluate stage wrote: {err}; run it again") from err
    bounds = {
        f"{group}/{name}" if name else group: (null_or_number(each.low), null_or_number(each.high))
        for group, values in document.test.items()
        for name, each in ({"": values} if isinstance(values, _Bounds) else values).items()
    }
    return Intervals(document.level, document.method, bounds)


@dataclass(frozen=True)
class _Bounds:
    """An interval in intervals.json."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class _Intervals:
    """intervals.json."""

    level: float
    method: str
    test: Mapping[str, _Bounds | Mapping[str, _Bounds]]


def _table(scores: Scores) -> pa.Table:
    columns = {
        "id": pa.array(scores.ids, pa.string()),
        "sequence": pa.array(scores.sequences, pa.string()),
        "counts": _lists(scores.counts),
        "boundaries": _lists(scores.boundaries),
    }
    return pa.table(columns, metadata={"classes": json.dumps(scores.names)})


def _lists(counts: Counts) -> Any:
    """Return an array (N, ...) as a list for each of N images."""
    ends = np.arange(len(counts) + 1) * prod(counts.shape[1:])
    is_large = ends[-1] > _LARGEST_OFFSET
    kind: Any = pa.LargeListArray if is_large else pa.ListArray
    return kind.from_arrays(pa.array(ends, pa.int64() if is_large else pa.int32()), pa.array(counts.reshape(-1)))


def _array(column: "pa.ChunkedArray[Any]", shape: tuple[int, int]) -> Counts:
    values = tables.matrix(column, prod(shape)).reshape(len(column), *shape)
    if values.min(initial=0) < 0:
        raise ValueError(f"expected counts of pixels, got {values.min()}")
    return values


def _reliability(path: Path) -> Reliability:
    rows = csv_table.read(path)
    pixels, correct = (np.array([int(row[name]) for row in rows], np.int64) for name in ("pixels", "correct"))
    return Reliability(pixels, correct, np.array([float(row["confidence"]) for row in rows]))


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"iou/car": 1} as {"iou": {"car": 1}}."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        group, _, key = name.partition("/")
        if not key:
            tree[group] = value
        else:
            tree.setdefault(group, {})[key] = value
    return tree
