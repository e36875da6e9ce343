"""What the model that training starts from has learnt from: scores of images that it knows would say nothing."""

from collections.abc import Callable, Mapping

Recorded = Callable[[str], Mapping[str, str] | None]
"""Returns the params that a training recorded, by its name; None: they are unavailable."""


def check(held_out: str, dataset: str, run: str, recorded: Recorded) -> str | None:
    """Return what is not known of the model that training starts from; None: it has not seen what is held out.

    Data sets are told apart by their names, which are all that a model's record has of them.

    Args:
        held_out: name of the data set that images are held out of.
        dataset: name of the one that the model was trained on.
        run: name of its training.
        recorded: what trainings recorded, that one and those of the models that it started from, one after the other.

    Raises:
        ValueError: the model, or one that it started from, was trained on that data set.
    """
    name, params = run, recorded(run)
    while dataset != held_out:
        if params is not None and "start_from.run" not in params:
            return None
        if params is not None:
            name = params["start_from.run"]
            params = recorded(name)
        if params is None:
            return (
                f"model.start_from: training {name} is not in the MLflow store: whether a model that it started from, "
                f"or itself, has learnt from the data set {held_out}, of which images are held out, is not known"
            )
        dataset = params["dataset"]
    through = "" if name == run else f", from which that of {run} started"
    raise ValueError(
        f"model.start_from: expected a model that has not learnt from the data set {held_out}, of which images are "
        f"held out, got that of training {name} on it{through}; start from a model of another data set, or from none "
        "(-S model.start_from=null)"
    )
