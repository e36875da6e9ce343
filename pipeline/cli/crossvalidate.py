"""`segnet crossvalidate`: how good params.yaml's recipe is on images that it did not see, without the test split."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer

from pipeline.artifacts import manifest, validation
from pipeline.artifacts.spec import read_spec
from pipeline.cli import overridden
from pipeline.cluster import overrides
from pipeline.crossvalidation import ancestry, crossvalidate as step
from pipeline.crossvalidation.crossvalidate import Outcome, Recipe
from pipeline.crossvalidation.folds import GAP
from pipeline.crossvalidation.processes import Slot, slots
from pipeline.crossvalidation.spread import Spread
from pipeline.files import cores, digest, dvc, repository, signals
from pipeline.files.printable import printable
from pipeline.files.terminal import say, say_json
from pipeline.params import Params
from pipeline.tracking import registered, store, trainings
from pipeline.training import initial, run as training_runs, train

RAW, VALIDATION = Path("data/raw"), Path("reports/validation.json")
_DECIDE = ("tile", "model", "train", "evaluate")
_ALLOWED = (*_DECIDE, "placement", "storage", "tracking")
_SCORES = ("miou", "class_accuracy", "global_accuracy", "boundary_f1")
_WIDTH = 60  # characters of a fold's sequences in its line; --json has all


def crossvalidate(
    *,
    folds: Annotated[int, typer.Option(min=3, help="Number of folds.")] = 5,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Folds in work at once; default: one per GPU or, without one, per four cores."),
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("-S", "--set-param", help="A value of params.yaml for this recipe: key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the scores of the folds as JSON.")] = False,
) -> None:
    """Score the recipe of params.yaml on parts of the training and validation images that its models did not see.

    The test images are not read, and data/, models/ and reports/ stay as they are. An interrupted one resumes. A
    model.start_from that has learnt from the same data set is refused, since it knows what would be held out.
    """
    with signals.handled(_command(folds, override or ())):
        _check_overrides(override or ())
        own, text = overridden.read(override or ())
        _check_data()
        outcome = step.run(_recipe(own, text), RAW, folds, _slots(jobs))
    if json:
        say_json(step.as_json(outcome))
    else:
        _show(outcome)


def _command(folds: int, wanted: Sequence[str]) -> str:
    """Return the command of the same recipe and folds, for a shell."""
    values = (part for each in wanted for part in ("-S", each))
    return printable(shlex.join(("segnet", "crossvalidate", "--folds", str(folds), *values)))


def _check_overrides(wanted: Sequence[str]) -> None:
    """Raise ValueError if a value is of a section that decides data/raw, which folds are made of as it is."""
    for each in wanted:
        if each.partition(".")[0] not in _ALLOWED:
            raise ValueError(
                f"-S: expected a value of {', '.join(_ALLOWED)}, got {each!r}; folds are made of data/raw as it is: "
                "edit params.yaml and run dvc repro validate"
            )


def _check_data() -> None:
    """Raise ValueError unless data/raw is what params.yaml describes, and passed validation."""
    # With what it depends on: changed params of data/raw belong to download, and validate alone would be up to date.
    try:
        is_current = dvc.run("status", "--quiet", "--with-deps", "validate").returncode == 0
    except OSError as err:
        raise ValueError(f"expected the command dvc on PATH: {err}; source .venv/bin/activate") from err
    if not is_current or not VALIDATION.exists() or not validation.read(VALIDATION).ok:
        raise ValueError(
            "expected data/raw as params.yaml describes it, validated, got another or none (dvc status --with-deps "
            "validate tells what changed); run dvc repro validate"
        )


def _recipe(own: Params, text: bytes) -> Recipe:
    """Return what is cross-validated; an alias is replaced by the version that it stands for now."""
    start = initial.locate(own.model, training_runs.all_runs(), registered.fetch)
    model = own.model.model_dump(mode="json")
    if start is not None and start.source is not None and start.source.version is not None:
        model["start_from"] = start.source.version
        text = overrides.overridden(text, [f"model.start_from={start.source.version}"])
    train_section = own.train.model_dump(mode="json", exclude=train.NOT_PART_OF_A_RUN)
    decides: dict[str, Any] = {
        "tile": own.tile.model_dump(mode="json"),
        "model": own.model.model_dump(mode="json", exclude=train.PLACES),
        "weights": None if start is None else digest.file_sha256(start.file),
        "start_from": initial.recorded(start),
        "train": train_section,
        "evaluate": own.evaluate.model_dump(mode="json"),
    }
    tile = {key: decides["tile"][key] for key in ("height", "width", "scale")}
    recorded = {"model": model, "train": train_section, "tile": tile}
    notes = () if start is None or start.source is None else _unknown(model["start_from"])
    return Recipe(text, decides, recorded, store.experiment_name(own.tracking.experiment), notes)


def _unknown(start_from: str) -> tuple[str, ...]:
    """Return what is not known of the model that training starts from; raise ValueError if it knows the images."""
    with TemporaryDirectory() as temporary:
        is_registered = start_from.startswith("models:")
        spec = read_spec(
            registered.fetch(start_from, Path(temporary))[0] if is_registered else repository.user_path(start_from)
        )
    note = ancestry.check(manifest.scan(RAW).dataset, spec.dataset, spec.run, _recorded)
    return () if note is None else (note,)


def _recorded(run: str) -> Mapping[str, str] | None:
    with suppress(store.UnreachableError):  # what is not known is said
        return trainings.params(store.address(), run)
    return None


def _slots(wanted: int | None) -> tuple[Slot, ...]:
    """Return the parts of this machine; where RAY_ADDRESS names a cluster, that divides itself."""
    if os.environ.get("RAY_ADDRESS"):
        return (Slot(frozenset(), None),) * (wanted or 1)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else map(str, range(torch.cuda.device_count()))
    return slots(wanted, list(takewhile(_names_a_gpu, gpus)), cores.usable())


def _names_a_gpu(entry: str) -> bool:
    """Return False of what ends CUDA's list of visible GPUs: -1, by which all are hidden, or no name at all."""
    return entry.strip() not in ("", "-1", "NoDevFiles")


def _show(outcome: Outcome) -> None:
    for number, each in enumerate(outcome.folds, 1):
        learnt, chosen, held, left = each.images
        close = f", {left} within {GAP} steps of them left out" if left else ""
        say(
            f"fold {number}, {_held(each.fold)}: mIoU {_text(each.metrics['miou'])} on {held} images held out; "
            f"{learnt} learnt from, {f'{chosen} to choose the epoch' if chosen else 'the last epoch taken'}{close}"
        )
    say(f"{outcome.name}: mean and standard deviation over {len(outcome.folds)} folds")
    names = [*_SCORES, *(name for name in outcome.spreads if name.startswith("iou/"))]
    width = max(map(len, names))
    for name in names:
        say(f"{name:{width}}  {_spread(outcome.spreads[name], len(outcome.folds))}")
    for note in outcome.notes:
        say(f"note: {note}")


def _held(fold: str) -> str:
    """Return a fold's sequences, of many the first and how many more there are.

    Example:
        >>> _held(", ".join(f"drive_{number:02}" for number in range(9)))
        'drive_00, drive_01, drive_02, drive_03, drive_04, drive_05 and 3 more'
    """
    names = re.split(r", (?!part \d+ of \d+$)", fold)
    count = max([n for n in range(1, len(names) + 1) if len(", ".join(names[:n])) <= _WIDTH], default=1)
    more = f" and {len(names) - count} more" if count < len(names) else ""
    return ", ".join(names[:count]) + more


def _spread(over_folds: Spread, folds: int) -> str:
    if not over_folds.folds:
        return "in none of the folds"
    some = f"  in {over_folds.folds} of {folds} folds" if over_folds.folds < folds else ""
    spread = "" if isnan(over_folds.deviation) else f" ± {over_folds.deviation:.4f}"
    return f"{over_folds.mean:.4f}{spread}{some}"


def _text(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
