"""The train step: from tiles to a model.

Ray, MLflow and the command line stay outside: stages/train.py wires them. `fit` is what each worker runs.
"""

import csv
import io
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.artifacts.model import Metrics, Spec, write_model
from pipeline.artifacts.tileset import Header, Tileset
from pipeline.core.class_weights import WEIGHTINGS
from pipeline.files import atomic, digest
from pipeline.training import checkpoint
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.learner import (
    TrainingError as TrainingError,  # part of what this module offers
    deterministic,
)
from pipeline.training.pretrained import locate
from pipeline.training.run import Inputs, worked_on
from pipeline.training.trainer import Job, Trainer

if TYPE_CHECKING:  # training also runs where pydantic is not installed
    from pipeline.params.training import Model, Train

# They change where, how fast and how safely a model is trained, not which.
_NOT_PART_OF_A_RUN = {"num_workers", "max_failures", "checkpoint_minutes", "keep_states"}
_OF_THE_MACHINES = {"images_per_second", "workers"}  # metrics that the same training need not repeat


def prepare(tiles: Path, model: "Model", settings: "Train", downloads: Path) -> tuple[Job, Header, Inputs]:
    """Return what the workers need to know, the tiles' header, and what `inputs` returns.

    Class weights are computed from the training tiles. VGG16's weights are fetched into the folder `downloads`, if they
    lie on the web.

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
    made_of = inputs(tiles, model, settings)
    if model.vgg16 is not None:  # absolute: a worker's current folder is another
        path = str(locate(model.vgg16.path, model.vgg16.sha256, downloads))
        model = model.model_copy(update={"vgg16": model.vgg16.model_copy(update={"path": path})})
    return Job(tiles.resolve(), model, settings, weights), tileset.header, made_of


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


def inputs(tiles: Path, model: "Model", settings: "Train") -> Inputs:
    """Return all that decides what a training run becomes, and so its name: data, model, train and code.

    The number of workers is no part of it. A file of weights that `model` names is hashed too, and so is the program:
    the files that this process has imported.
    """
    return {
        "data": digest.directory_md5(tiles),
        "model": model.model_dump(mode="json"),
        "vgg16": None if model.vgg16 is None else model.vgg16.sha256 or digest.file_md5(Path(model.vgg16.path)),
        "train": settings.model_dump(mode="json", exclude=_NOT_PART_OF_A_RUN),
        "code": digest.code_sha256(),
    }


def fit(
    job: Job,
    *,
    folder: Path,
    device: torch.device,
    report: Callable[[Metrics], None],
    progress: Callable[[Metrics], None],
    say: Callable[[str], None],
) -> None:
    """Train for the epochs that are left, in this process, as one of torch.distributed's workers where that is set up.

    Args:
        job: what to train.
        folder: of the run, the same for all workers: its newest whole state is gone on from, and new ones are written.
        device: where to compute.
        report: called by the first worker with the metrics of each epoch, after its state is written.
        progress: called by the first worker within an epoch, about once a second.
        say: called by the first worker when it goes on from a state, or finds one broken.

    Raises:
        TrainingError: the loss is not a number, settings and tiles do not fit, or an operation is not deterministic.
        ValueError: a state cannot be written.
    """
    settings = job.settings
    with worked_on(folder), deterministic() if settings.deterministic else nullcontext():
        worker = Trainer(job, device)
        state = _newest(worker, folder, say)

        def save(sums: Tensor) -> None:
            if worker.rank == 0:
                step = worker.steps_before(len(state.history)) + len(sums)
                whole = worker.learner.into(replace(state, step=step, sums=sums))
                checkpoint.write(folder, whole, keep=settings.keep_states)

        while not _is_over(state, settings):
            epoch = len(state.history)
            found = {"epoch": epoch + 1.0, **worker.train(epoch, state.sums, progress=progress, save=save)}
            found |= {**worker.validate(), "workers": float(worker.world_size)}
            state = _after_epoch(state, found, settings, worker.learner.published())
            save(state.sums)
            if worker.rank == 0:
                report(found)


def _newest(worker: Trainer, folder: Path, say: Callable[[str], None]) -> Checkpoint:
    """Return the state that all workers go on from, loaded: the first worker chooses it."""
    settings, state = worker.settings, checkpoint.beginning()
    step = torch.zeros((), dtype=torch.int64, device=worker.device)
    if worker.rank == 0:
        found, faults = checkpoint.newest(folder)
        state = found or state
        for fault in faults:
            say(f"{fault}; going on from {f'step {state.step}' if found else 'the beginning'}")
        if found and _is_over(state, settings):
            say(f"run {folder.name} is finished (python -m stages.train --fresh trains it anew)")
        elif found:
            epoch = f"epoch {len(state.history) + 1} of {settings.epochs}"
            say(f"going on with run {folder.name} at {epoch}, step {state.step + 1}")
        step += state.step
    if dist.is_initialized():
        dist.broadcast(step, 0)
    if worker.rank and step:
        state = checkpoint.read(folder, int(step))
    if step:
        worker.learner.load(state)
    return state


def _is_over(state: Checkpoint, settings: "Train") -> bool:
    """Say whether no epoch is left, or too many have passed without a better score."""
    epoch, patience = len(state.history), settings.patience_epochs
    return epoch == settings.epochs or 0 < patience < epoch - state.best_epoch


def _after_epoch(state: Checkpoint, found: Metrics, settings: "Train", model: nn.Module) -> Checkpoint:
    """Return what is known after an epoch: its metrics, and whether `model` is the best so far."""

    def score(epoch: Metrics) -> float:
        value = epoch[f"val/{settings.select_by}"]
        return value if isfinite(value) else float("-inf")

    after = replace(state, sums=checkpoint.beginning().sums, history=(*state.history, found))
    if state.history and score(found) <= max(map(score, state.history)):
        return after
    best = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return replace(after, best=best, best_epoch=len(state.history))


def write_outcome(state: Checkpoint, spec: Spec, job: Job, inputs: Inputs, *, model: Path, reports: Path) -> None:
    """Write the best epoch's model, train.json and history.csv; the same training gives the same bytes."""
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
    table = io.StringIO()
    writer = csv.DictWriter(table, list(stable[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(stable)
    write_model(model, spec, state.best)
    atomic.write_text(reports / "history.csv", table.getvalue())
    atomic.write_json(reports / "train.json", tree)
