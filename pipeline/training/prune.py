"""Removing old training runs, and leftovers of killed processes.

Only these are removed:

* runs below runs/, except the run of models/segnet and the newest others: those started or resumed last;
* runs of folds that are evaluated, which nothing resumes, and those of cross-validations that are removed;
* cross-validations below runs/folds, except as many of the newest; their scores are in MLflow too;
* weights in runs/ named like copies of registered models', which no run that stays began with;
* temporary files and folders below runs/, models/, reports/ and data/ (`.*.partial`) that have not been written to for
  an hour.

Records in runs/unsent, which wait for the tracking server, are kept, whatever their names.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISDIR

from pipeline.artifacts.spec import Spec, read_spec
from pipeline.files import dvc_cache, locks, repository, strict_json
from pipeline.training.run import fold_of, is_in_use, is_recorded, read_inputs, remove_folder, run_folders

_MODEL = "models/segnet"
_FOLDERS = ("runs", "models", "reports", "data")
_UNSENT = Path("runs/unsent")
_TOO_OLD = 3600  # seconds
_WEIGHTS = re.compile(r"([0-9a-f]{16})-model\.safetensors")  # named after their SHA-256: initial.py, pretrained.py


@dataclass(frozen=True)
class Waste:
    """A folder or file to be removed."""

    path: Path
    """Relative to the repository."""
    size: int
    """In bytes."""
    kind: str
    """run, cross-validation, weights or temporary."""


def find(root: Path, keep: int) -> list[Waste]:
    """Return what to remove from the repository at `root`, keeping `keep` runs besides that of models/segnet.

    Raises:
        ValueError: runs would be removed, but that of the model is unknown; or the inputs of a run that stays cannot be
            read.
    """
    folds = _crossvalidations(root)[keep:]
    folds = [folder for folder in folds if not _is_in_use(folder, "cross-validation")]
    runs = run_folders(root / "runs")
    own = [each for each in runs if fold_of(each) is None]
    current = _model_run(root) if len(own) > keep else None
    unneeded = [each for each in own if each.name != current][keep:] + _of_folds(root, runs, folds)
    old = [folder for folder in unneeded if not is_in_use(folder)]
    weights = _unused_weights(root, sorted(set(runs) - set(old)))
    temporary = [path for top in _FOLDERS for path in _tree(root / top) if fnmatchcase(path.name, ".*.partial")]
    inside = {*temporary, *old, *folds, root / _UNSENT}
    outermost = [path for path in temporary if inside.isdisjoint(path.parents)]
    abandoned = sorted(path for path in outermost if _last_written(path) < time.time() - _TOO_OLD)
    kinds = {"run": old, "cross-validation": folds, "weights": weights, "temporary": abandoned}
    return [Waste(path.relative_to(root), _size(path), kind) for kind, paths in kinds.items() for path in paths]


def _model_run(root: Path) -> str | None:
    """Return the run of models/segnet; of what dvc.lock has there, where DVC has removed it before a training.

    None: no model was trained here.
    """
    if (root / _MODEL).exists():
        return read_spec(root / _MODEL).run
    try:
        file = dvc_cache.cached(root, _MODEL, "model.json")
        return None if file is None else strict_json.parse(file.read_bytes(), Spec).run
    except (OSError, ValueError) as err:
        raise ValueError(
            f"expected {_MODEL}, whose run is kept, got none, and dvc.lock does not tell it: {err}; a training is "
            "under way, or was interrupted: run dvc checkout or dvc repro first"
        ) from err


def _of_folds(root: Path, runs: Sequence[Path], removed: Sequence[Path]) -> list[Path]:
    """Return the runs of folds that are evaluated, or whose cross-validation is removed; others may be resumed."""
    of_removed = set(removed)
    places = [(run, root / fold) for run in runs if (fold := fold_of(run)) is not None]
    return [
        run
        for run, place in places
        if place.parent in of_removed or not place.parent.exists() or place.with_suffix(".json").exists()
    ]


def _crossvalidations(root: Path) -> list[Path]:
    """Return the folders of cross-validations, the last one started or resumed first."""
    folders = [path for path in (root / repository.FOLDS).glob("folds-*") if path.is_dir()]
    return sorted(folders, key=lambda path: ((path / "origin.json").exists(), _started(path)), reverse=True)


def _started(folder: Path) -> float:
    origin = folder / "origin.json"
    return (origin if origin.exists() else folder).stat().st_mtime


def _unused_weights(root: Path, runs: Sequence[Path]) -> list[Path]:
    """Return copies of weights that none of `runs` began with, older than an hour: a run may be about to begin."""
    inputs = [read_inputs(run) for run in runs if is_recorded(run)]
    began_with = [start["sha256"] for each in inputs if (start := each.get("start_from")) is not None]
    began_with += [sha256 for each in inputs if (sha256 := each.get("vgg16")) is not None]  # a download may be so named
    used = {str(sha256)[:16].lower() for sha256 in began_with}
    named = [(path, _WEIGHTS.fullmatch(path.name)) for path in sorted((root / "runs").glob("*"))]
    copies = [path for path, name in named if name is not None and name[1] not in used]
    return [path for path in copies if _last_written(path) < time.time() - _TOO_OLD]


def remove(root: Path, waste: Waste) -> bool:
    """Remove an item that `find` returned from the repository at `root`.

    Return whether it is removed: a run or cross-validation that was resumed since stays.
    """
    path = root / waste.path
    if _is_in_use(path, waste.kind):
        return False
    with suppress(FileNotFoundError):  # removed by another process
        if waste.kind in ("run", "cross-validation"):
            remove_folder(path)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return True


def _is_in_use(path: Path, kind: str) -> bool:
    if kind == "run":
        return is_in_use(path)
    return kind == "cross-validation" and locks.is_held(path.with_suffix(".lock"))


def _tree(path: Path) -> Iterator[Path]:
    """Yield a path and what is below it, but what others, such as a cross-validation, remove meanwhile."""
    yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def _stats(path: Path) -> Iterator[os.stat_result]:
    for each in _tree(path):
        with suppress(FileNotFoundError):
            yield each.lstat()


def _last_written(path: Path) -> float:
    return max((each.st_mtime for each in _stats(path)), default=time.time())


def _size(path: Path) -> int:
    return sum(each.st_size for each in _stats(path) if not S_ISDIR(each.st_mode))
