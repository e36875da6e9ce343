"""MLflow runs: one per training and clone of the repository, written by one process at a time (clone.py).

An unreachable store makes nothing here fail or block for long: records that cannot be sent wait on disk (outbox.py).
"""

import hashlib
import json
import logging
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.files import repository
from pipeline.files.redact import redact
from pipeline.files.strict_json import flat
from pipeline.tracking import environment, records, store
from pipeline.tracking.delivery import Delivery
from pipeline.tracking.outbox import UNSENT, Outbox
from pipeline.tracking.records import NAME_TAG as NAME_TAG, Record  # NAME_TAG: part of this module's interface

_LONGEST_PARAM = 6000  # characters; MLflow truncates or refuses longer ones
_LONGEST_KEY = 250  # characters
_LONGEST_DIGEST = 36  # characters; exactly a DVC hash, <32 hex>.dir

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """Where a training is recorded; may be passed to another process on this machine, which can then write to it."""

    uri: str
    """Tracking store or server; local paths in it are absolute."""
    experiment: str
    name: str
    """The training's name: a hash of its inputs."""
    unsent: Path
    """Absolute folder of the outboxes, one of which is named after the training."""

    @property
    def run_id(self) -> str:
        """Return MLflow's id of the run.

        Raises:
            UnreachableError: a ValueError; the store does not answer.
        """
        return _delivery(self).ask(lambda writer: writer.run_id)


def start(experiment: str, name: str) -> Run:
    """Return this clone's run of the training `name`; a new one unless the training is resumed.

    Args:
        experiment: the experiment's name; MLFLOW_EXPERIMENT_NAME takes precedence.
        name: the training's name: a hash of its inputs.

    Raises:
        ValueError: the experiment was deleted, or the store refuses the user.
    """
    run = Run(store.run_address(), store.experiment_name(experiment), name, (repository.root() / UNSENT).absolute())
    _delivery(run).open()
    return run


def resume(experiment: str, name: str) -> Run:
    """Return the run of the training `name` as `start` does, and log a warning if this clone had none.

    If another clone trained the model, its run is named in a tag of the new one, and environment.recorded reads it.

    Raises:
        ValueError: as for `start`.
    """
    run = Run(store.run_address(), store.experiment_name(experiment), name, (repository.root() / UNSENT).absolute())
    if _delivery(run).open():
        first = _delivery(run).ask(lambda _: records.find(run.uri, run.experiment, name))
        trained = "was it trained elsewhere?" if first == run.run_id else f"another clone has, {first}"
        _log.warning(
            f"{redact(run.uri)} has no run of the training {name} by this clone ({trained}); what follows is recorded "
            f"in the new run {run.run_id}; params, curves and scores of the stages before are not in it: dvc repro "
            "--force --single-item train evaluate records them (a training that is finished is not repeated)"
        )
        if first != run.run_id:
            _post(run, "tags", {environment.TRAINED_IN_TAG: first})
    return run


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Mark the run as RUNNING; at the end as FINISHED, FAILED after an error, or KILLED after an interrupt or exit.

    At the end, waiting records are sent once more, and those that remain are logged.
    """
    _post(run, "status", {"status": "RUNNING"})
    status = "KILLED"
    try:
        yield
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        try:
            _delivery(run).finish(Record("status", {"status": status}))
        except KeyboardInterrupt:  # a signal came meanwhile; another one does not raise (files/signals.py)
            _delivery(run).finish(Record("status", {"status": "KILLED"}))
            raise


@contextmanager
def system_metrics(run: Run) -> Iterator[None]:
    """Record this machine's load as `system/...` every ten seconds, continuing the curves of earlier attempts."""
    store.client(run.uri)
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    # We do not start its own loop, which ends when the store does not answer.
    monitor, ended = SystemMetricsMonitor(run.name, tracking_uri=run.uri), threading.Event()

    def sample() -> None:
        while not ended.wait(monitor.sampling_interval):
            monitor.collect_metrics()
            _post(run, "load", {f"system/{key}": value for key, value in _finite(monitor.aggregate_metrics()).items()})
            for each in monitor.monitors:
                each.clear_metrics()

    with ThreadPoolExecutor(1) as threads:
        sampling = threads.submit(sample)
        try:
            yield
        finally:
            ended.set()
    if error := sampling.exception():
        _log.warning(redact(f"stopped recording the load of this machine: {error}"))


def log_params(run: Run, params: Mapping[str, Any]) -> None:
    """Record nested params under dotted keys; one that is already recorded must have the same value.

    Raises:
        ValueError: a param was recorded with another value, which MLflow cannot change.
    """
    _post(run, "params", as_params(params))


def log_metrics(run: Run, metrics: Mapping[str, float], step: int) -> None:
    """Record a point of each curve; NaN, infinity and steps that a curve already has are left out.

    A training that resumes from a checkpoint repeats steps, and MLflow would keep both points.
    """
    _post(run, "metrics", {"metrics": _finite(metrics), "step": step})


def log_history(run: Run, history: Iterable[Mapping[str, float]]) -> None:
    """Record the metrics of each epoch as `log_metrics` does, with its metric `epoch` as the step."""
    for epoch in history:
        log_metrics(run, epoch, step=int(epoch["epoch"]))


def log_scores(run: Run, scores: Mapping[str, float]) -> None:
    """Record single values, which replace earlier ones; NaN and infinity are left out.

    They are recorded at step 0, before the first epoch's 1: MLflow shows values there as the registered model's scores.
    """
    _post(run, "scores", _finite(scores))


def log_dataset(run: Run, name: str, digest: str, *, source: str, context: str) -> None:
    """Record a data set as an input of the run.

    Args:
        run: the run that used it.
        name: the data set's name.
        digest: its hash, at most 36 characters, such as DVC's `<32 hex>.dir`.
        source: its location, such as data/tiles.
        context: what it was used for, such as training.

    Raises:
        ValueError: the digest is too long.
    """
    if len(digest) > _LONGEST_DIGEST:
        raise ValueError(f"expected a digest of at most {_LONGEST_DIGEST} characters, got {digest}; use DVC's hash")
    _post(run, "dataset", {"name": name, "digest": digest, "source": source, "context": context})


def log_files(run: Run, paths: Iterable[Path], folder: str = "") -> None:
    """Upload files and folders into the artifact folder `folder`."""
    for path in paths:
        _post(run, "file", {"folder": folder}, path)


def log_environment(run: Run) -> None:
    """Record commit, user and command as tags; versions and hardware of this machine as environment.json."""
    store.client(run.uri)
    from mlflow.tracking.context.registry import resolve_tags

    commit, dirty = environment.commit_or_warning()
    run_tags = {**resolve_tags(), "mlflow.source.git.commit": commit, "git_commit": commit, "git_dirty": dirty}
    _post(run, "tags", run_tags)
    _post(run, "document", {"name": environment.FILE, "tree": environment.describe()})


def tags(run: Run) -> dict[str, str]:
    """Return the run's tags.

    Raises:
        UnreachableError: a ValueError; the store does not answer.
    """
    return _delivery(run).ask(lambda writer: writer.tags())


def as_key(name: str) -> str:
    """Return the name of a param or metric as MLflow takes it; different names stay different.

    A class may have any name: a character that MLflow refuses becomes its code, and a long name ends in its hash.

    Example:
        >>> as_key("val/iou/door;double door")
        'val/iou/door:3b:double door'
    """
    parts = (part if part.strip(".") else f":{part.encode().hex()}:" for part in name.replace(":", ":3a:").split("/"))
    key = re.sub(r"[^\w.:/ -]", lambda character: f":{ord(character[0]):x}:", "/".join(parts))
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def as_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Return nested params as recorded: dotted keys, and values as text, truncated to what MLflow can keep."""
    texts = {as_key(key): value if isinstance(value, str) else json.dumps(value) for key, value in flat(params)}
    return {key: t if len(t) <= _LONGEST_PARAM else t[: _LONGEST_PARAM - 3] + "..." for key, t in texts.items()}


@cache  # a process has one Delivery per run
def _delivery(run: Run) -> Delivery:
    return Delivery(run.uri, run.experiment, Outbox(run.unsent / run.name))


def _post(run: Run, kind: str, content: Mapping[str, Any], file: Path | None = None) -> None:
    _delivery(run).post(Record(kind, content, file=file))


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {as_key(key): float(value) for key, value in metrics.items() if math.isfinite(value)}
