"""`segnet leaderboard`."""

import difflib
import json as json_text
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from pipeline import params
from pipeline.cli import completion
from pipeline.crossvalidation.spread import DEVIATION, MEAN
from pipeline.files.printable import printable
from pipeline.files.terminal import say_json
from pipeline.registry import leaderboard as tracking
from pipeline.registry.leaderboard import LoggedRun
from pipeline.tracking import runs, store

LOWEST_FIRST = ("loss", "calibration_error")
"""Last parts of the names of metrics for which lower is better."""
_NONE = "-"
_RECIPE = ("model.", "train.", "start_from.", "vgg16")
"""Starts of the params without which a training is another."""
_OF_CLASSES = "class_weight."
"""Start of the params that follow from train.class_weights and the data."""
_FOLDS = "folds"
"""The param that a cross-validation has alone."""
_NAMED = 8  # metrics that an error names, those most like the one asked for
_OTHER_DATA = "the runs learnt from different data: compare scores of the same test images alone"
_DIGITS = 8  # of a digest, as many as of commits
_MANY = 4  # values of a list; longer ones, such as class weights, are shortened


@dataclass(frozen=True)
class Ranking:
    """The runs of an experiment, ordered by a metric."""

    experiment: str
    metric: str
    ascending: bool
    """Lowest first."""
    ranked: tuple[LoggedRun, ...]
    unranked: tuple[LoggedRun, ...]
    """Those without the metric."""
    total: int
    """Number of runs of the experiment, including those that `top` leaves out."""

    @property
    def entries(self) -> tuple[LoggedRun, ...]:
        """All runs to show, in order."""
        return *self.ranked, *self.unranked


def leaderboard(
    *,
    experiment: Annotated[
        str | None,
        typer.Option(envvar="MLFLOW_EXPERIMENT_NAME", help="Experiment; default: tracking.experiment in params.yaml."),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(help="Metric to rank by; the latest value of each run counts.", autocompletion=completion.metrics),
    ] = "test/miou",
    ascending: Annotated[
        bool | None,
        typer.Option(
            "--ascending/--descending",
            help="Lowest or highest first; default: highest, but lowest for metrics whose last part is "
            f"{' or '.join(LOWEST_FIRST)}.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show only this many runs.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything known about the runs as JSON.")] = False,
) -> None:
    """Rank the runs of an experiment by a metric; show the params in which they differ, and the versions they became.

    Runs without the metric come last, and are listed. If the table is too wide, each run gets a block of lines.
    """
    name = experiment or params.load().tracking.experiment
    if ascending is None:
        ascending = metric.rpartition("/")[2] in LOWEST_FIRST
    ranking = rank(name, tracking.logged_runs(store.address(), name), metric, ascending=ascending, top=top)
    if json:
        say_json(as_json(ranking))
    else:
        _show(ranking, Console(markup=False, emoji=False, highlight=False))


def rank(experiment: str, entries: Sequence[LoggedRun], metric: str, *, ascending: bool, top: int | None) -> Ranking:
    """Return the first `top` runs, or all, ordered by a metric; ties keep the order of `entries`.

    Args:
        experiment: the experiment's name.
        entries: its runs.
        metric: as MLflow has it, or with a class's own name: test/iou/road, wet.
        ascending: whether the lowest value comes first.
        top: the most runs that are returned; None: all.

    Raises:
        ValueError: no run has the metric.
    """
    names = {name for entry in entries for name in entry.metrics}
    if metric not in names and runs.as_key(metric) in names:
        metric = runs.as_key(metric)
    ranked = [entry for entry in entries if metric in entry.metrics]
    if not ranked:
        alike = sorted(difflib.get_close_matches(metric, sorted(names), n=_NAMED, cutoff=0.0))
        more = f" and {len(names) - len(alike)} more" if len(names) > len(alike) else ""
        known = ", ".join(alike) + more or "none yet"
        is_of_folds = metric.startswith((MEAN, DEVIATION))
        what = "segnet crossvalidate logs it when all folds are done" if is_of_folds else "choose another"
        raise ValueError(
            f"expected a metric that a run of the experiment {experiment} has ({known}), got {metric}; {what}"
        )
    ranked.sort(key=lambda entry: entry.metrics[metric], reverse=not ascending)
    unranked = [entry for entry in entries if metric not in entry.metrics]
    rest = None if top is None else max(top - len(ranked), 0)
    return Ranking(experiment, metric, ascending, tuple(ranked[:top]), tuple(unranked[:rest]), len(entries))


def differing(entries: Sequence[LoggedRun]) -> list[str]:
    """Return the params that differ between the runs that have them, and those of a recipe that some training lacks.

    The weights of classes that follow from other params and the data are none of them.

    A cross-validation records less than a training, and one that has just begun nothing yet: that is no difference. Nor
    is a null that a training of another program does not record.
    """
    params = [entry.params for entry in entries if entry.params]
    trainings = [each for each in params if _FOLDS not in each]
    keys = sorted({key for each in params for key in each if not key.startswith(_OF_CLASSES)})
    given = {key for each in params for key, value in each.items() if key.startswith(_RECIPE) and value != "null"}
    lacked = {key for key in given if any(key not in each for each in trainings)}
    return [key for key in keys if key in lacked or len({each[key] for each in params if key in each}) > 1]


def as_json(ranking: Ranking) -> dict[str, Any]:
    """Return everything known about the runs; rank and value are None for those without the metric."""
    shown = [
        {
            "rank": number if ranking.metric in entry.metrics else None,
            "value": entry.metrics.get(ranking.metric),
            **asdict(entry),
            "started": entry.started.isoformat(),
        }
        for number, entry in enumerate(ranking.entries, 1)
    ]
    return {
        "experiment": ranking.experiment,
        "metric": ranking.metric,
        "ascending": ranking.ascending,
        "total": ranking.total,
        "differing_params": differing(ranking.entries),
        "runs": shown,
    }


def _show(ranking: Ranking, console: Console) -> None:
    """Print a table or, if it is too wide, as it may be in a pipe, a block of lines per run."""
    order = "lowest" if ranking.ascending else "highest"
    caption = f"{ranking.experiment} by {ranking.metric}, {order} first: {len(ranking.entries)} of {ranking.total} runs"
    console.print(printable(caption), soft_wrap=True)
    if _data_differ(ranking.entries):
        console.print(printable(_OTHER_DATA), soft_wrap=True)
    if ranking.unranked:
        names = ", ".join(entry.name for entry in ranking.unranked)
        console.print(printable(f"not ranked, without {ranking.metric}: {names}"), soft_wrap=True)
    shown = ((printable(heading), [printable(cell) for cell in cells]) for heading, cells in _columns(ranking))
    headings, columns = zip(*shown, strict=True)
    rows = list(zip(*columns, strict=True))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("rank", printable(ranking.metric)) else "left")
    for row in rows:
        table.add_row(*row)
    unbounded = console.options.update(width=1_000_000)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
        return
    width = max(map(len, headings))
    for row in rows:
        lines = [f"{heading:{width}}  {cell}" for heading, cell in zip(headings, row, strict=True)]
        console.print("", *lines, sep="\n", soft_wrap=True)


def _columns(ranking: Ranking) -> Iterator[tuple[str, list[str]]]:
    """Yield the heading of each column, and its cells from top to bottom."""
    entries, missing = ranking.entries, [_NONE] * len(ranking.unranked)
    yield "rank", [str(number) for number in range(1, len(ranking.ranked) + 1)] + missing
    yield "run", [entry.name for entry in entries]
    yield ranking.metric, [_value(entry, ranking.metric) for entry in ranking.ranked] + missing
    if _data_differ(entries):
        yield "data", [entry.data[:_DIGITS] or _NONE for entry in entries]
    for key in differing(entries):
        yield key, _shortened([entry.params.get(key, _NONE) for entry in entries])
    if any(entry.versions for entry in entries):
        yield "version", [_versions(entry) for entry in entries]
    yield "started (UTC)", [f"{entry.started:%Y-%m-%d %H:%M}" for entry in entries]
    yield "status", [entry.status for entry in entries]


def _data_differ(entries: Sequence[LoggedRun]) -> bool:
    return len({entry.data for entry in entries if entry.data}) > 1


def _value(entry: LoggedRun, metric: str) -> str:
    """Return the value of a metric; with the standard deviation if it is a mean over folds."""
    value = f"{entry.metrics[metric]:.6g}"
    deviation = entry.metrics.get(f"{DEVIATION}{metric.removeprefix(MEAN)}") if metric.startswith(MEAN) else None
    return value if deviation is None else f"{value} ± {deviation:.2g}"


def _versions(entry: LoggedRun) -> str:
    """Return the versions that a run became, as in models:/ addresses, with their aliases."""
    names = [" ".join((f"{each.model}/{each.number}", *each.aliases)) for each in entry.versions]
    return ", ".join(names) or _NONE


def _shortened(values: Sequence[str]) -> list[str]:
    """Return the values of a param with long lists shortened, unless different ones would then look alike."""
    short = {value: _without_tail(value) for value in values}
    return [short[value] for value in values] if len(set(short.values())) == len(short) else list(values)


def _without_tail(value: str) -> str:
    try:
        values = json_text.loads(value)
    except ValueError:  # text
        return value
    if not isinstance(values, list) or len(values) <= _MANY:
        return value
    head = ", ".join(json_text.dumps(each) for each in values[: _MANY - 1])
    return f"[{head}, ... {len(values)} values]"
