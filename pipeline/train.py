"""The train step: from tiles to a model.

Ray, MLflow and the command line stay outside: stages/train.py wires them. `fit` is what each worker runs.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from pipeline.core.balance import WEIGHTINGS
from pipeline.files import atomic, checkpoint, digest
from pipeline.files.checkpoint import Metrics, Spec, State
from pipeline.files.tileset import Header, Tileset
from pipeline.files.weights import locate
from pipeline.worker import Job, Worker

if TYPE_CHECKING:  # training also runs where pydantic is not installed
    from pipeline.params.training import Model, Train

# They change where and how fast a model is trained, not which.
_NOT_PART_OF_A_RUN = {"num_workers", "max_failures"}


def prepare(tiles: Path, model: "Model", settings: "Train", downloads: Path) -> tuple[Job, Header]:
    """Return what the workers need to know, class weights computed from the training tiles, and the tiles' header.

    VGG16's weights are fetched into the folder `downloads`, if they lie on the web.

    Raises:
        ValueError: not tiles that the tile stage wrote, class weights that do not fit their classes, or VGG16's weights
            cannot be had.
    """
    tileset = Tileset(tiles, "train")
    classes, choice = tileset.header.classes, settings.class_weights
    if not isinstance(choice, str):
        weights = tuple(choice)
    elif choice == "published":
        weights = classes.published_weights or ()
    else:
        weights = tuple(float(weight) for weight in WEIGHTINGS[choice](tileset.pixels()))
    if len(weights) != len(classes):
        raise ValueError(
            f"train.class_weights: expected {len(classes)} weights, one for each of {', '.join(classes.names)}, "
            f"got {len(weights)}; list them all, or choose median_frequency"
        )
    if model.vgg16 is not None:  # absolute: a worker's current folder is another
        path = str(locate(model.vgg16.path, model.vgg16.sha256, downloads))
        model = model.model_copy(update={"vgg16": model.vgg16.model_copy(update={"path": path})})
    return Job(tiles.resolve(), model, settings, weights), tileset.header


def spec(job: Job, tiles: Header, run: str) -> Spec:
    """Return what must be known to use the model that the run `run` of `job` trains."""
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


def record(job: Job, tiles: Header) -> dict[str, Any]:
    """Return the params that a run is recorded with: the sections that decide it, class weights and tiles."""
    return {
        "model": job.model.model_dump(mode="json"),
        "train": job.settings.model_dump(mode="json", exclude=_NOT_PART_OF_A_RUN),
        "class_weight": dict(zip(tiles.classes.names, job.class_weights, strict=True)),
        "tile": {"height": tiles.height, "width": tiles.width, "scale": tiles.scale},
        "dataset": tiles.dataset,
    }


def run_name(data: str, model: "Model", settings: "Train", code: str) -> str:
    """Return the name of the training run: 16 hexadecimal digits, a hash of all its inputs.

    Args:
        data: digest of the tiles.
        model: the section of params.yaml; a file of weights that it names is hashed too.
        settings: likewise; on how many workers it runs is no part of the name.
        code: digest of the program's own files.
    """
    vgg16 = None if model.vgg16 is None else model.vgg16.sha256 or digest.file_md5(Path(model.vgg16.path))
    values = [data, model.model_dump(), vgg16, settings.model_dump(exclude=_NOT_PART_OF_A_RUN), code]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def fit(
    job: Job,
    *,
    report: Callable[[Metrics, Path | None], None],
    progress: Callable[[Metrics], None],
    state: Path | None,
    device: torch.device,
) -> None:
    """Train for the epochs that are left, in this process, as one of torch.distributed's workers where that is set up.

    Args:
        job: what to train.
        report: called after each epoch by every worker alike, with its metrics and, by the first worker, a folder
            that holds the state (files/checkpoint.py) and is gone afterwards.
        progress: called by the first worker within an epoch, about once a second.
        state: folder of the state to go on from, or None.
        device: where to compute.

    Raises:
        ValueError: settings and tiles do not fit.
        TrainingError: the loss is not a number.
    """
    worker = Worker(job, device)
    history: list[Metrics] = []
    best: checkpoint.Tensors = {}
    best_epoch = 0
    if state is not None:
        saved = checkpoint.read_state(state)
        worker.load(saved)
        history, best, best_epoch = list(saved.history), saved.best, saved.best_epoch
    settings = job.settings

    def score(epoch: Metrics) -> float:
        value = epoch[f"val/{settings.select_by}"]
        return value if isfinite(value) else float("-inf")

    while len(history) < settings.epochs:
        epoch = len(history)
        if settings.patience_epochs and epoch - best_epoch > settings.patience_epochs:
            break
        found = {"epoch": epoch + 1.0, **worker.train(epoch, progress), **worker.validate()}
        if not history or score(found) > max(map(score, history)):
            best, best_epoch = {name: value.detach().clone() for name, value in worker.weights().items()}, epoch
        history.append(found)
        with TemporaryDirectory() as folder:
            if worker.rank == 0:
                snapshot = State(worker.weights(), worker.optimizer_tensors(), best, best_epoch, tuple(history))
                checkpoint.write_state(Path(folder), snapshot)
            report(found, Path(folder) if worker.rank == 0 else None)


def write_outcome(state: State, spec: Spec, job: Job, *, data: str, model: Path, reports: Path) -> None:
    """Write the best epoch's model, train.json and history.csv; the same training gives the same bytes."""
    names = spec.classes.names
    stable = [{key: value for key, value in epoch.items() if key != "images_per_second"} for epoch in state.history]
    best = {key: value for key, value in stable[state.best_epoch].items() if isfinite(value)}
    tree = {
        "run": spec.run,
        "data": data,
        "epochs": len(stable),
        "best_epoch": state.best_epoch + 1,
        "best": best,
        "class_weights": dict(zip(names, job.class_weights, strict=True)),
    }
    table = io.StringIO()
    writer = csv.DictWriter(table, list(stable[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(stable)
    checkpoint.write_model(model, spec, state.best)
    atomic.write_text(reports / "history.csv", table.getvalue())
    atomic.write_json(reports / "train.json", tree)
