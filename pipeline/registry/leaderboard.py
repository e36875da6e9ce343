"""What the runs of an MLflow experiment were told, reached and became."""

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

_RESULTS_A_REQUEST = 1000
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
    """Its training's name; or MLflow's name of the run, where it is no training of ours."""
    run_id: str
    status: str
    """SCHEDULED, RUNNING, FINISHED, FAILED or KILLED."""
    started: datetime
    """In UTC."""
    metrics: Mapping[str, float]
    """The newest value of each; NaN is left out."""
    params: Mapping[str, str]
    """Under dotted keys, as runs.log_params records them."""
    tags: Mapping[str, str]
    versions: tuple[Registered, ...]
    """What its training became, by model and number; more than one where it was evaluated with other options too."""


def logged_runs(uri: str, experiment: str) -> list[LoggedRun]:
    """Return the runs of an experiment, in the order in which they were started; deleted ones are left out.

    Args:
        uri: of the store.
        experiment: the experiment's name.

    Raises:
        ValueError: there is no such experiment, or it was deleted.
    """
    client = store.client(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None or found.lifecycle_stage == "deleted":
        names = ", ".join(sorted(each.name for each in _all(client.search_experiments)))
        raise ValueError(
            f"expected an experiment of {redact(uri)} ({names}), got {experiment}, which is missing or deleted; "
            "correct the name, or set MLFLOW_TRACKING_URI to the store that holds it"
        )
    became = _versions(uri)
    order = ["attributes.start_time ASC"]
    return [
        _logged_run(run, became)
        for run in _all(client.search_runs, experiment_ids=[found.experiment_id], order_by=order)
    ]


def _versions(uri: str) -> dict[str, list[Registered]]:
    """Return the versions that trainings became, by the training's name."""
    query = {"filter_string": f"tag.{runs.NAME_TAG} LIKE '%'", "order_by": ["name ASC", "version_number ASC"]}
    found = list(_all(store.client(uri).search_model_versions, **query))
    # A search's versions come without their aliases.
    aliases = {model: versions.aliases(RegisteredModel(uri, model)) for model in {version.name for version in found}}
    became = defaultdict[str, list[Registered]](list)
    for version in found:
        number = str(version.version)
        bearer = Registered(version.name, number, aliases[version.name].get(number, ()))
        became[version.tags[runs.NAME_TAG]].append(bearer)
    return became


def _logged_run(run: "MlflowRun", became: Mapping[str, list[Registered]]) -> LoggedRun:
    training = run.data.tags.get(runs.NAME_TAG, "")
    return LoggedRun(
        name=training or run.info.run_name,
        run_id=run.info.run_id,
        status=run.info.status,
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        metrics={key: value for key, value in sorted(run.data.metrics.items()) if not math.isnan(value)},
        params=dict(sorted(run.data.params.items())),
        tags=dict(sorted(run.data.tags.items())),
        versions=tuple(became.get(training, ())),
    )


def _all(search: "Callable[..., PagedList[_Item]]", **query: Any) -> Iterator[_Item]:
    """Yield what one of MLflow's searches finds on all its pages."""
    token = None
    while True:
        page = search(**query, max_results=_RESULTS_A_REQUEST, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
