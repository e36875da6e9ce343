"""The runs of an MLflow experiment: params, metrics, and the versions registered from them."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.files.redact import redact
from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import runs, store

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.store.entities import PagedList

_RESULTS_PER_REQUEST = 1000
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Registered:
    """A version of a registered model."""

    model: str
    number: str
    aliases: tuple[str, ...]
    """In alphabetical order."""


@dataclass(frozen=True)
class LoggedRun:
    """A run."""

    name: str
    """Name of its training, or MLflow's name of the run if it is not one of our trainings."""
    run_id: str
    status: str
    """SCHEDULED, RUNNING, FINISHED, FAILED or KILLED."""
    started: datetime
    """In UTC."""
    metrics: Mapping[str, float]
    """The latest value of each; NaN is left out."""
    params: Mapping[str, str]
    """Under dotted keys, as runs.log_params records them."""
    tags: Mapping[str, str]
    data: str
    """The digest of what it was trained with, as runs.log_dataset records it; "" if it is not recorded."""
    versions: tuple[Registered, ...]
    """Registered from its training, by model and number; several if it was evaluated with different options."""


def logged_runs(uri: str, experiment: str) -> list[LoggedRun]:
    """Return the runs of an experiment in the order they were started; deleted ones are left out.

    Args:
        uri: the store's.
        experiment: the experiment's name.

    Raises:
        ValueError: there is no such experiment, or it was deleted.
    """
    client = store.client(uri)
    entity = client.get_experiment_by_name(experiment)
    if entity is None or entity.lifecycle_stage == "deleted":
        names = ", ".join(sorted(other.name for other in _all(client.search_experiments)))
        raise ValueError(
            f"expected an experiment in {redact(uri)} ({names}), got {experiment}, which is missing or deleted; "
            "run dvc repro, which makes it, correct the name, or set MLFLOW_TRACKING_URI to the store that holds it"
        )
    registered = _versions(uri)
    order = ["attributes.start_time ASC"]
    return [
        _logged_run(run, registered)
        for run in _all(client.search_runs, experiment_ids=[entity.experiment_id], order_by=order)
    ]


def _versions(uri: str) -> dict[str, list[Registered]]:
    """Return the versions registered from each training, by the training's name."""
    query = {"filter_string": f"tag.{runs.NAME_TAG} LIKE '%'", "order_by": ["name ASC", "version_number ASC"]}
    entities = list(_all(store.client(uri).search_model_versions, **query))
    # Versions in search results lack their aliases.
    aliases = {model: versions.aliases(RegisteredModel(uri, model)) for model in {entity.name for entity in entities}}
    by_training = defaultdict[str, list[Registered]](list)
    for entity in entities:
        number = str(entity.version)
        version = Registered(entity.name, number, aliases[entity.name].get(number, ()))
        by_training[entity.tags[runs.NAME_TAG]].append(version)
    return by_training


def _logged_run(run: "MlflowRun", registered: Mapping[str, list[Registered]]) -> LoggedRun:
    training = run.data.tags.get(runs.NAME_TAG, "")
    return LoggedRun(
        name=training or run.info.run_name,
        run_id=run.info.run_id,
        status=run.info.status,
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        metrics={key: value for key, value in sorted(run.data.metrics.items()) if not math.isnan(value)},
        params=dict(sorted(run.data.params.items())),
        tags=dict(sorted(run.data.tags.items())),
        data=next((each.dataset.digest for each in (run.inputs.dataset_inputs if run.inputs else ())), ""),
        versions=tuple(registered.get(training, ())),
    )


def _all(search: "Callable[..., PagedList[_Item]]", **query: Any) -> Iterator[_Item]:
    """Yield the results of one of MLflow's searches, from all pages."""
    token = None
    while True:
        page = search(**query, max_results=_RESULTS_PER_REQUEST, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
