"""The training loop of one process: train an epoch, validate, keep the best model, save a checkpoint when it is due."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.artifacts.model import Metrics
from pipeline.training import checkpoint, precision
from pipeline.training.background import Writer
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.learner import all_reduce, deterministic
from pipeline.training.trainer import Job, Trainer

if TYPE_CHECKING:
    from pipeline.params.training import Train
    from pipeline.training.copies import Copies


def fit(
    job: Job,
    *,
    folder: Path,
    device: torch.device,
    report: Callable[[Metrics], None],
    progress: Callable[[Metrics], None],
    say: Callable[[str], None],
    validated: Callable[[Trainer, nn.Module], None],
) -> None:
    """Train for the remaining epochs in this process, as one of torch.distributed's workers if that is initialised.

    Args:
        job: what to train.
        folder: the run's, the same for all workers; training resumes from its newest intact checkpoint and adds more.
            If the job is remote, it has a folder on each machine for copies of what the storage holds.
        device: where to compute.
        report: called by the first worker with the metrics of each epoch; if the checkpoint that holds it is lost with
            the worker, again with the same ones after the epoch was repeated.
        progress: called by the first worker within an epoch, about once a second.
        say: called by the first worker with a message when it resumes from a checkpoint or finds a broken one.
        validated: called by the first worker after each epoch that can become the model, with the network; once if the
            training is over already.

    Raises:
        TrainingError: the loss is not finite, settings and tiles do not match, or an operation is not deterministic.
        ValueError: a checkpoint cannot be written.
    """
    settings = job.settings
    with deterministic() if settings.deterministic else nullcontext():
        trainer = Trainer(job, device)
        copies = None if job.remote is None else job.remote.copies(folder)
        folder = copies.folder if copies else folder
        state = _resume(trainer, folder, copies, say)
        if trainer.rank == 0 and not _is_over(state, settings):
            say(f"computing in {trainer.learner.precision} on {precision.hardware(device)}")

        def write(complete: Checkpoint) -> None:
            checkpoint.write(folder, complete, keep=settings.keep_states)
            if copies:
                copies.push()

        products = precision.products(trainer.learner.precision, are_timed=not settings.deterministic)
        with products, Writer(write) as writer:
            _show_the_end(trainer, state, validated)
            _continue(trainer, state, writer, report=report, progress=progress, validated=validated)
            _finish(trainer, writer, copies)


def _continue(
    trainer: Trainer,
    state: Checkpoint,
    writer: Writer,
    *,
    report: Callable[[Metrics], None],
    progress: Callable[[Metrics], None],
    validated: Callable[[Trainer, nn.Module], None],
) -> None:
    """Train, validate and hand over checkpoints that are due, and the last one, until the training is over."""
    settings = trainer.settings

    def save(sums: Tensor) -> None:
        if trainer.rank == 0:
            step = trainer.steps_before(len(state.history)) + len(sums)
            writer.submit(trainer.learner.into(replace(state, step=step, sums=sums)))

    def show(now: Metrics) -> None:
        writer.check()
        progress(now)

    while not _is_over(state, settings):
        epoch = len(state.history)
        metrics = {"epoch": epoch + 1.0, **trainer.train(epoch, state.sums, progress=show, save=save)}
        metrics["workers"] = float(trainer.world_size)
        metrics["precision_bits"] = float(precision.BITS[trainer.learner.precision])
        is_candidate = _is_candidate(epoch, settings)
        if is_candidate:
            network = trainer.published()
            metrics |= {} if settings.with_val else trainer.validate(network)
        state = replace(state, sums=checkpoint.beginning().sums, history=(*state.history, metrics))
        if is_candidate:
            state = _with_best(state, settings, network)
        if trainer.is_due() or settings.checkpoint_minutes is None or _is_over(state, settings):
            save(state.sums)
        if trainer.rank == 0:
            if is_candidate:
                validated(trainer, network)  # after the checkpoint, which matters more
            report(metrics)


def _finish(trainer: Trainer, writer: Writer, copies: "Copies | None") -> None:
    """Wait for the last checkpoint; then remove what this node has of the run's copies, which the storage has too.

    The first worker copies the last checkpoint from the folder that it shares with the others of its node.
    """
    try:
        writer.finish()
    finally:  # also where that fails, which the others do not know of
        if copies:
            _wait_for_all(trainer.device)
    if copies and os.environ.get("LOCAL_RANK", "0") == "0":  # Ray Train sets it, as torchrun does
        copies.forget()


def _wait_for_all(device: torch.device) -> None:
    """Wait until every worker has called this."""
    called = torch.ones(1, device=device)
    all_reduce(called)
    called.item()  # the host, too, waits for what GPUs reduce


def _show_the_end(trainer: Trainer, state: Checkpoint, validated: Callable[[Trainer, nn.Module], None]) -> None:
    """Call `validated` for a training that is over: what it last showed may have been lost with who listened."""
    if _is_over(state, trainer.settings):
        network = trainer.published()
        if trainer.rank == 0:
            validated(trainer, network)


def _resume(trainer: Trainer, folder: Path, copies: "Copies | None", say: Callable[[str], None]) -> Checkpoint:
    """Load and return the checkpoint that all workers resume from; the first worker chooses it."""
    settings, state = trainer.settings, checkpoint.beginning()
    step = torch.zeros((), dtype=torch.int64, device=trainer.device)
    if trainer.rank == 0:
        if copies:
            copies.pull()
        newest, faults = checkpoint.newest(folder)
        state = newest or state
        for fault in faults:
            say(f"{fault}; resuming from {f'step {state.step}' if newest else 'the beginning'}")
        if newest and _is_over(state, settings):
            say(f"run {folder.name} is finished (to retrain it: python -m stages.train --fresh)")
        elif newest:
            epoch = f"epoch {len(state.history) + 1} of {settings.epochs}"
            say(f"resuming run {folder.name} at {epoch}, step {state.step + 1}")
        step += state.step
    if dist.is_initialized():
        dist.broadcast(step, 0)
    if trainer.rank and step:
        if copies:
            copies.pull(checkpoint.name(int(step)))
        state = checkpoint.read(folder, int(step))
    if step:
        trainer.learner.load(state)
    return state


def _is_over(state: Checkpoint, settings: "Train") -> bool:
    """Return whether no epoch is left, or too many have passed without a better score (early stopping).

    A training stops early only after an epoch that was validated: in another one, the score may have been better. Only
    epochs of the last phase count, since it is the one that sees tiles at full size.
    """
    epoch, patience = len(state.history), settings.patience_epochs
    if epoch == 0 or not _is_candidate(epoch - 1, settings):
        return False
    last_phase = settings.first_epochs[-1]
    return epoch == settings.epochs or 0 < patience < epoch - max(state.best_epoch, last_phase - 1)


def _is_candidate(epoch: int, settings: "Train") -> bool:
    """Return whether an epoch (0-based) can become the model: it is validated, or the last one."""
    is_validated = not settings.with_val and (epoch + 1) % settings.epochs_per_validation == 0
    return is_validated or epoch + 1 == settings.epochs


def _with_best(state: Checkpoint, settings: "Train", model: nn.Module) -> Checkpoint:
    """Return the checkpoint after an epoch that can become the model, with `model` if that is the best so far."""

    def score(epoch: Metrics) -> float:
        value = epoch[f"val/{settings.select_by}"]
        return value if isfinite(value) else float("-inf")

    *before, last = (epoch for i, epoch in enumerate(state.history) if _is_candidate(i, settings))
    if before and score(last) <= max(map(score, before)):
        return state
    best = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return replace(state, best=best, best_epoch=len(state.history) - 1)
