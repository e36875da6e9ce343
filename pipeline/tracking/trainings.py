"""What trainings recorded of themselves in a store, whichever experiment and clone they belong to."""

from collections.abc import Mapping

from pipeline.tracking import store
from pipeline.tracking.records import NAME_TAG

_EXPERIMENTS_PER_REQUEST = 1000


def params(uri: str, name: str) -> Mapping[str, str] | None:
    """Return the params that the training `name` recorded, under dotted keys; None: the store has none of it.

    Raises:
        UnreachableError: a ValueError; the store does not answer.
    """
    with store.reached(uri):
        client, token = store.client(uri), None
        while True:
            page = client.search_experiments(max_results=_EXPERIMENTS_PER_REQUEST, page_token=token)
            experiments = [experiment.experiment_id for experiment in page]
            for run in client.search_runs(experiments, f"tags.{NAME_TAG} = '{name}'"):
                if "dataset" in run.data.params:  # not so where another clone's model was only evaluated
                    return dict(run.data.params)
            token = page.token
            if not token:
                return None
