"""MLflow runs: one a training, found again by the training's name, written by one process at a time."""

import json
import logging
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.tracking import environment, store

NAME_TAG = "training_run"
_PARAMS_A_REQUEST = 100  # MLflow refuses more
_LONGEST_PARAM = 6000  # characters; MLflow cuts or refuses longer ones
_LONGEST_DIGEST = 36  # characters; just a DVC hash, <32 hex>.dir
_NOT_IN_A_KEY = re.compile(r"[^\w./ -]")  # MLflow refuses them; a user's class name may hold them

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """Where a run is recorded; may be sent to another process, which then writes to the same run."""

    uri: str
    """Tracking store or server; local paths in it are absolute."""
    run_id: str


def start(experiment: str, name: str) -> Run:
    """Return the run of the training `name`, a new one unless the training goes on.

    Args:
        experiment: the experiment's name; MLFLOW_EXPERIMENT_NAME wins over it.
        name: the training's name: a hash of its inputs.

    Raises:
        ValueError: the experiment was deleted.
    """
    uri = store.address()
    return _find(uri, experiment, name) or _create(uri, experiment, name)


def resume(experiment: str, name: str) -> Run:
    """Return the run of the training `name` as `start` does, and say so when there was none.

    Raises:
        ValueError: the experiment was deleted.
    """
    uri = store.address()
    if found := _find(uri, experiment, name):
        return found
    run = _create(uri, experiment, name)
    _log.warning(
        f"{uri} holds no run of the training {name} (was it trained elsewhere?): what follows is recorded in the new "
        f"run {run.run_id}, without the training's curves"
    )
    return run


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Show the run as RUNNING; at the end as FINISHED, FAILED after an error, or KILLED after an interrupt or exit."""
    client = store.client(run.uri)
    client.update_run(run.run_id, status="RUNNING")
    status = "KILLED"
    try:
        yield
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        client.set_terminated(run.run_id, status)


@contextmanager
def system_metrics(run: Run) -> Iterator[None]:
    """Record this machine's load as `system/...` every ten seconds, following on from an earlier attempt's points."""
    store.client(run.uri)
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run.run_id, resume_logging=True, tracking_uri=run.uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def log_params(run: Run, params: Mapping[str, Any]) -> None:
    """Record nested params under dotted keys; one that is recorded already must be the same.

    Raises:
        ValueError: a param was recorded with another value, which MLflow cannot change.
    """
    client = store.client(run.uri)
    from mlflow.entities import Param

    known = client.get_run(run.run_id).data.params
    flat = dict(_flat(params))
    for key, value in flat.items():
        if known.get(key, value) != value:
            raise ValueError(
                f"expected {key} = {known[key]}, which run {run.run_id} began with, got {value}; a run's params cannot "
                f"be changed: delete the run (mlflow runs delete --run-id {run.run_id}) to record it anew"
            )
    new = [Param(key, value) for key, value in flat.items() if key not in known]
    for first in range(0, len(new), _PARAMS_A_REQUEST):
        client.log_batch(run.run_id, params=new[first : first + _PARAMS_A_REQUEST])


def log_metrics(run: Run, metrics: Mapping[str, float], step: int) -> None:
    """Record a point of each curve; NaN, infinity, and a step that the curve has already are left out.

    A training that resumes from a checkpoint repeats steps, and MLflow would keep both points.
    """
    new = {key: value for key, value in _finite(metrics).items() if step not in _steps(run, key)}
    _record(run, new, step)
    for key in new:
        _steps(run, key).add(step)


def log_history(run: Run, history: Iterable[Mapping[str, float]]) -> None:
    """Record the metrics of each epoch at the step that its metric `epoch` says, as `log_metrics` does."""
    for epoch in history:
        log_metrics(run, epoch, step=int(epoch["epoch"]))


def log_scores(run: Run, scores: Mapping[str, float]) -> None:
    """Record single values, which take the place of earlier ones; NaN and infinity are left out.

    They lie at step 0, before the first epoch's 1: MLflow shows what lies there as scores of the registered model.
    """
    known = store.client(run.uri).get_run(run.run_id).data.metrics
    _record(run, {key: value for key, value in _finite(scores).items() if known.get(key) != value}, step=0)


def log_dataset(run: Run, name: str, digest: str, *, source: str, context: str) -> None:
    """Record a data set as an input of the run.

    Args:
        run: the run that used it.
        name: the data set's name.
        digest: its hash, at most 36 characters: DVC's, `<32 hex>.dir`, as it is.
        source: where it lies, such as data/tiles.
        context: what it was used for, such as training.

    Raises:
        ValueError: the digest is too long.
    """
    if len(digest) > _LONGEST_DIGEST:
        raise ValueError(f"expected a digest of at most {_LONGEST_DIGEST} characters, got {digest}; use DVC's hash")
    client = store.client(run.uri)
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(name, digest, source_type="local", source=json.dumps({"uri": source}))
    client.log_inputs(run.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])


def log_files(run: Run, paths: Iterable[Path], folder: str = "") -> None:
    """Upload files and folders into the artifact folder `folder`."""
    for path in paths:
        store.client(run.uri).log_artifact(run.run_id, str(path), folder or None)


def log_environment(run: Run) -> None:
    """Record commit, user and command as tags; versions and hardware of this machine as environment.json."""
    client = store.client(run.uri)
    from mlflow.entities import RunTag
    from mlflow.tracking.context.registry import resolve_tags

    commit, dirty = environment.commit()
    found = {**resolve_tags(), "mlflow.source.git.commit": commit, "git_commit": commit, "git_dirty": dirty}
    client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in found.items()])
    client.log_dict(run.run_id, environment.describe(), "environment.json")


def tags(run: Run) -> dict[str, str]:
    """Return the run's tags."""
    return dict(store.client(run.uri).get_run(run.run_id).data.tags)


def _find(uri: str, experiment: str, name: str) -> Run | None:
    experiments = [store.experiment_id(uri, experiment)]
    found = store.client(uri).search_runs(experiments, f"tags.{NAME_TAG} = '{name}'", max_results=1)
    return Run(uri, found[0].info.run_id) if found else None


def _create(uri: str, experiment: str, name: str) -> Run:
    number = store.experiment_id(uri, experiment)
    created = store.client(uri).create_run(number, run_name=name, tags={NAME_TAG: name})
    return Run(uri, created.info.run_id)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{prefix}{key}", text if len(text) <= _LONGEST_PARAM else text[: _LONGEST_PARAM - 3] + "..."


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {_NOT_IN_A_KEY.sub("_", key): float(value) for key, value in metrics.items() if math.isfinite(value)}


def _record(run: Run, metrics: Mapping[str, float], step: int) -> None:
    client = store.client(run.uri)
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    client.log_batch(run.run_id, [Metric(key, value, now, step) for key, value in metrics.items()])


@cache  # asked once a process and curve: the process that logs is the run's only writer
def _steps(run: Run, key: str) -> set[int]:
    return {metric.step for metric in store.client(run.uri).get_metric_history(run.run_id, key)}
