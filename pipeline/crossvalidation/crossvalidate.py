"""The step: each fold is cut into tiles, trained and evaluated by the stages, in a folder of its own."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from math import nan
from pathlib import Path
from typing import Any

from pipeline.artifacts import manifest
from pipeline.artifacts.manifest import Manifest
from pipeline.artifacts.scores import Scores
from pipeline.crossvalidation import folds as folding, snapshot, workspace
from pipeline.crossvalidation.folds import Fold, Image
from pipeline.crossvalidation.processes import Processes, Slot, StageError
from pipeline.crossvalidation.snapshot import Snapshot
from pipeline.crossvalidation.spread import DEVIATION, MEAN, Spread, spreads
from pipeline.files import atomic, digest, locks, repository, source_code, strict_json
from pipeline.files.strict_json import number_or_null
from pipeline.tracking import environment, origin, runs
from pipeline.tracking.origin import Origin

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """What is cross-validated."""

    params: bytes
    """The content of params.yaml, values for this recipe included."""
    decides: Mapping[str, Any]
    """Everything in it that determines scores, and the digests of the files that it names."""
    recorded: Mapping[str, Any]
    """Params to record."""
    experiment: str
    """MLflow experiment of the scores; the trainings of the folds are recorded in <experiment>-folds."""
    notes: tuple[str, ...] = ()
    """What is not known of it, and makes its scores doubtful."""


@dataclass(frozen=True)
class Scored:
    """A fold that was evaluated."""

    fold: str
    run: str
    """Name of its training."""
    images: tuple[int, int, int, int]
    """Numbers of images: learnt from, to choose the epoch by (0: train.with_val, the last is taken), held out, left
    out."""
    metrics: dict[str, float | None]
    """Of the held-out images, without a prefix; None where undefined."""


@dataclass(frozen=True)
class Outcome:
    """A recipe's scores."""

    name: str
    folds: tuple[Scored, ...]
    spreads: Mapping[str, Spread]
    notes: tuple[str, ...] = ()
    """What makes them doubtful."""


def plan(raw: Path, count: int) -> tuple[Manifest, tuple[Fold, ...]]:
    """Return the images of data/raw that may be held out, those of train and val, and the folds.

    Raises:
        ValueError: the download stage did not write `raw`, or there are too few images.
    """
    source = manifest.read(raw)
    usable = source.usable[source.usable["split"] != "test"]
    images = [Image(str(row.id), str(row.sequence)) for row in usable.itertuples()]
    return source, folding.split(images, count)


def name_of(recipe: Recipe, source: Manifest, folds: Sequence[Fold]) -> str:
    """Return the name of a cross-validation: folds- and a hash of its images, folds, recipe and code."""
    rows = source.images[["id", "sha256", "mask_sha256"]]
    used = {each for fold in folds for each in fold.held_out}
    files = source_code.imported_files(*(f"stages.{stage}" for stage in workspace.STAGES), workspace.__name__)
    inputs = {
        "images": rows[rows["id"].isin(used)].to_numpy().tolist(),
        "classes": source.classes.to_json(),
        "folds": [asdict(fold) for fold in folds],
        "recipe": recipe.decides,
        "code": digest.files_sha256(files),
    }
    return "folds-" + hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def run(recipe: Recipe, raw: Path, count: int, slots: Sequence[Slot]) -> Outcome:
    """Train and evaluate each fold that is not finished; record the scores; return them.

    The same call resumes what was interrupted. Nothing is written but below runs/ and to MLflow.

    Args:
        recipe: what is cross-validated.
        raw: data/raw, validated.
        count: number of folds.
        slots: parts of this machine; as many folds are in work at once.

    Raises:
        StageError: a stage failed on a fold, or the data were changed meanwhile.
        ValueError: there are too few images.
    """
    began_with = snapshot.take(raw)
    source, folds = plan(raw, count)
    name = name_of(recipe, source, folds)
    place = (repository.root() / repository.FOLDS / name).absolute()
    with ExitStack() as stack:
        stack.enter_context(locks.held(place.with_suffix(".lock")))
        tracked = runs.start(recipe.experiment, name)
        stack.enter_context(runs.running(tracked))
        for note in recipe.notes:  # before hours of work
            _log.warning(note)
        runs.log_environment(tracked)
        runs.log_params(tracked, {**recipe.recorded, "folds": count})
        commit, _ = environment.commit()
        changed = environment.changed_files()
        contents = digest.files_sha256({each: Path(each) for each in changed if Path(each).is_file()})
        origin.write(place / "origin.json", Origin(commit, changed, contents))
        variables = {
            origin.VARIABLE: str(place / "origin.json"),
            "MLFLOW_EXPERIMENT_NAME": f"{recipe.experiment}-folds",
        }
        with_val = bool(recipe.decides.get("train", {}).get("with_val"))
        work = _Work(Processes(slots), recipe.params, with_val, began_with, source, place, variables)
        work.processes.each([partial(work.fold, number, fold) for number, fold in enumerate(folds, 1)])
        outcome = _outcome(name, [_read(place / f"{number}.json") for number in range(1, count + 1)], recipe.notes)
        atomic.write_json(place / "folds.json", as_json(outcome))
        runs.log_scores(tracked, {f"{MEAN}{key}": each.mean for key, each in outcome.spreads.items()})
        runs.log_scores(tracked, {f"{DEVIATION}{key}": each.deviation for key, each in outcome.spreads.items()})
        runs.log_files(tracked, [place / "folds.json"])
    return outcome


@dataclass(frozen=True)
class _Work:
    """What all folds have in common."""

    processes: Processes
    params: bytes
    with_val: bool
    """Whether the images that would choose the epoch are learnt from."""
    data: Snapshot
    source: Manifest
    place: Path
    """runs/folds/<name>, absolute."""
    variables: Mapping[str, str]
    """Environment variables of the stages."""

    def fold(self, number: int, fold: Fold, slot: Slot) -> None:
        """Train and evaluate a fold and write <number>.json, unless it is there.

        Raises:
            StageError: a stage failed, or scored other images than those held out, or the data were changed meanwhile.
        """
        done, folder = self.place / f"{number}.json", self.place / str(number)
        if done.exists():
            workspace.remove(folder)  # which a kill may have left
            _log.info(f"fold {number}, {fold.name}: finished before")
            return
        learnt, chosen = len(fold.train), len(fold.val)
        if self.with_val:
            learnt, chosen = learnt + chosen, 0
        sizes = (learnt, chosen, len(fold.held_out), len(fold.left_out))
        _log.info(f"fold {number}, {fold.name}: {sizes[2]} images held out, {sizes[0]} to learn from")
        try:
            scored = self._scored(folder, fold, slot)
        except ValueError as err:
            raise StageError(f"fold {number}, {fold.name}: {err}") from err
        metrics = {key.removeprefix("test/"): number_or_null(float(value)) for key, value in scored.metrics.items()}
        atomic.write_json(done, asdict(Scored(fold.name, scored.run, sizes, metrics)))
        workspace.remove(folder)
        _log.info(f"fold {number}, {fold.name}: mIoU {scored.metrics['test/miou']:.4f}")

    def _scored(self, folder: Path, fold: Fold, slot: Slot) -> Scores:
        """Run the stages in `folder` on the images that data/raw had at the start, and return the scores."""
        images = workspace.fold_of(self.source, fold)
        with self.data.kept():
            workspace.lay_out(folder, self.data.raw, images, self.params)
        for stage in workspace.STAGES:
            with self.data.kept():
                self.processes.run(stage, folder, folder.with_suffix(".log"), slot, self.variables)
            if stage in workspace.READERS:
                snapshot.check_images(folder / workspace.RAW, images)
        return workspace.result(folder, fold)


def _read(path: Path) -> Scored:
    try:
        return strict_json.parse(path.read_bytes(), Scored)
    except (OSError, ValueError) as err:
        raise ValueError(f"{path}: expected the scores of a fold: {err}; remove it, and run the command again") from err


def _outcome(name: str, folds: Sequence[Scored], notes: tuple[str, ...]) -> Outcome:
    known = [{key: nan if value is None else value for key, value in each.metrics.items()} for each in folds]
    return Outcome(name, tuple(folds), spreads(known), notes)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the folds, mean and deviation of each metric, None where undefined, and what makes them doubtful."""
    means = {
        key: {"mean": number_or_null(each.mean), "deviation": number_or_null(each.deviation), "folds": each.folds}
        for key, each in outcome.spreads.items()
    }
    folds = [asdict(each) for each in outcome.folds]
    return {"name": outcome.name, "folds": folds, "scores": means, "notes": list(outcome.notes)}
