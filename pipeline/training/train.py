"""The train step: from tiles to a model.

Ray, MLflow and the command line stay outside: stages/train.py wires them. `fit` is what each worker runs.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.artifacts.model import Metrics, write_model
from pipeline.artifacts.shard import Header
from pipeline.artifacts.spec import Spec
from pipeline.artifacts.tileset import Tileset
from pipeline.core.arrays import Pixels
from pipeline.core.class_weights import WEIGHTINGS
from pipeline.files import atomic, csv_table, digest, source_code
from pipeline.training import estimate, initial, loop
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.errors import TrainingError as TrainingError  # part of what this module offers
from pipeline.training.initial import Fetch
from pipeline.training.predictions import predicted
from pipeline.training.run import Inputs, worked_on
from pipeline.training.trainer import Job

if TYPE_CHECKING:
    from pipeline.params.model import Model
    from pipeline.params.training import Train

_log = logging.getLogger(__name__)
# They affect where, how fast and how safely a model is trained, but not the result.
NOT_PART_OF_A_RUN = {"num_workers", "max_failures", "checkpoint_minutes", "keep_states"}
PLACES: dict[str, Any] = {"start_from": True, "vgg16": {"path", "sha256"}}
"""Of the section model: where initial weights are found. Their digest is part of a run, wherever they are."""
# What these modules import within these packages is part of a run's name: all that determines the weights, and a little
# that only keeps them, such as checkpoint.py; a list by hand would miss something one day. All other code reports,
# stores or schedules; editing it must not make days of training start over.
_DECIDING_MODULES = ("pipeline.training.loop", "pipeline.core.class_weights")
_DECIDING_PACKAGES = ("pipeline.core.", "pipeline.artifacts.", "pipeline.training.")
# Metrics that may differ between trainings of the same inputs.
_OF_THE_MACHINES = {"images_per_second", "workers", "precision_bits"}


def prepare(
    tiles: Path, model: "Model", settings: "Train", downloads: Path, fetch: Fetch
) -> tuple[Job, Header, Inputs]:
    """Return the workers' job, the tiles' header, and the run's `inputs`.

    Class weights are computed from the training tiles. Initial weights that lie in the registry or on the web are
    copied into the folder `downloads`; `fetch` copies a registered version.

    Raises:
        ValueError: the tile stage did not write `tiles`, class weights do not match the classes, the initial weights
            are not available, or are those of another network, or no images are left to score the model on.
    """
    _check_splits(tiles, settings)
    tileset = Tileset(tiles, *settings.splits)
    classes, choice, pixels = tileset.header.classes, settings.class_weights, tileset.pixels()
    if not isinstance(choice, str):
        weights = tuple(choice)
    elif choice == "published":
        weights = classes.published_weights or ()
    else:
        weights = tuple(float(weight) for weight in WEIGHTINGS[choice](pixels))
    if len(weights) != len(classes):
        raise ValueError(
            f"train.class_weights: expected {len(classes)} weights, one for each of {', '.join(classes.names)}, "
            f"got {len(weights)}; list them all, or choose median_frequency"
        )
    if not np.dot(pixels[:, :-1].sum(axis=0), weights):
        raise ValueError(
            f"train.class_weights: expected a weight above 0 for a class that a training tile shows, got {choice} for "
            f"{', '.join(classes.names)}: nothing would be learnt; correct the weights, or the labels"
        )
    start = initial.locate(model, downloads, fetch)
    if start is not None:
        initial.network(model, classes.names, start)  # fails here, before workers are started
        if start.source is not None:
            _log.info(initial.matched(start.source, classes.names))
    job = Job(tiles.resolve(), model, settings, weights, start)
    return job, tileset.header, inputs(job)


def _check_splits(tiles: Path, settings: "Train") -> None:
    """Raise ValueError where no image is left to score the model on, or no label to choose the best epoch by."""
    if settings.with_val and not len(Tileset(tiles, "test")):
        raise ValueError(
            "train.with_val: expected a test split, got none: no images would be left to score the model on; set it to "
            "false, or give the data set a test split"
        )
    if not settings.with_val and not Tileset(tiles, "val").pixels()[:, :-1].any():
        raise ValueError(
            "expected labelled pixels in the split val, by which the best epoch is chosen, got none; label its masks, "
            "or learn from it and take the last epoch (train.with_val)"
        )


def reads(job: Job) -> tuple[Path, ...]:
    """Return the files and folders that workers read, absolute, which all nodes must see; none, if they fetch them."""
    if job.remote is not None:
        return ()
    return (job.tiles, *([] if job.initial is None else [job.initial.file]))


def spec(job: Job, tiles: Header, run: str) -> Spec:
    """Return the spec of the model that the run `run` of `job` trains."""
    return Spec(
        network=job.model.name,
        width=job.model.width,
        classes=tiles.classes,
        dataset=tiles.dataset,
        tile_height=tiles.height,
        tile_width=tiles.width,
        scale=tiles.scale,
        run=run,
    )


def mlflow_params(job: Job, tiles: Header, inputs: Inputs) -> dict[str, Any]:
    """Return the params recorded with a run: the sections that determine it, where it starts, class weights, tiles."""
    return {
        **{key: inputs[key] for key in ("start_from", "vgg16", "model", "train") if inputs[key] is not None},
        "class_weight": dict(zip(tiles.classes.names, job.class_weights, strict=True)),
        "tile": {"height": tiles.height, "width": tiles.width, "scale": tiles.scale},
        "dataset": tiles.dataset,
    }


def inputs(job: Job) -> Inputs:
    """Return everything that determines a training run, and so its name: data, model, initial weights, train and code.

    The number of workers does not, nor the name or place by which initial weights are found: their digest does. The
    code that determines the weights is hashed too.
    """
    start = job.initial
    return {
        "data": digest.directory_md5(job.tiles),
        "model": job.model.model_dump(mode="json", exclude=PLACES),
        "vgg16": None if start is None or start.source is not None else digest.file_sha256(start.file),
        "start_from": initial.recorded(start),
        "train": job.settings.model_dump(mode="json", exclude=NOT_PART_OF_A_RUN),
        "code": code_sha256(),
    }


def code_sha256(root: Path = source_code.ROOT) -> str:
    """Return a digest of the code that determines the weights, in the program whose package is in the folder `root`."""
    files = source_code.imported_files(*_DECIDING_MODULES, root=root)
    return digest.files_sha256({name: path for name, path in files.items() if name.startswith(_DECIDING_PACKAGES)})


def fit(
    job: Job,
    *,
    folder: Path,
    device: torch.device,
    report: Callable[[Metrics], None],
    progress: Callable[[Metrics], None],
    say: Callable[[str], None],
    pictures: Callable[[list[Pixels]], None],
) -> None:
    """Run `loop.fit` on one worker, and make the next process that begins this run wait until it has ended.

    `pictures` is called by the first worker after each validation with what training/predictions.py shows of it;
    `progress` is told the worker's `memory_bytes` too, the most so far.

    In an object store there is no lock for that: a worker that outlives its driver finds, before it commits a
    checkpoint, that another process holds the run's lease, and ends.
    """
    with worked_on(folder) if job.remote is None or job.remote.lease is None else nullcontext():
        loop.fit(
            job,
            folder=folder,
            device=device,
            report=report,
            progress=lambda now: progress({**now, "memory_bytes": float(estimate.peak_bytes(device))}),
            say=say,
            validated=lambda trainer, network: pictures(predicted(trainer, network)),
        )


def write_outcome(
    state: Checkpoint, spec: Spec, job: Job, inputs: Inputs, *, model: Path, reports: Path
) -> tuple[Path, Path]:
    """Write the best epoch's model, and return the paths of history.csv and train.json, written into `reports`.

    The same training gives the same bytes.
    """
    names = spec.classes.names
    stable = [{key: value for key, value in epoch.items() if key not in _OF_THE_MACHINES} for epoch in state.history]
    best = {key: value for key, value in stable[state.best_epoch].items() if isfinite(value)}
    tree = {
        "run": spec.run,
        "inputs": dict(inputs),
        "epochs": len(stable),
        "best_epoch": state.best_epoch + 1,
        "best": best,
        "class_weights": dict(zip(names, job.class_weights, strict=True)),
    }
    write_model(model, spec, state.best)
    columns = list(dict.fromkeys(key for epoch in stable for key in epoch))  # not every epoch was validated
    written = reports / "history.csv", reports / "train.json"
    csv_table.write(written[0], columns, ([epoch.get(key) for key in columns] for epoch in stable))
    atomic.write_json(written[1], tree)
    return written
