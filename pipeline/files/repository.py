"""The folder of what outlasts an experiment: checkpoints, MLflow's database, and records not sent to a server yet."""

import os
import re
from pathlib import Path

WRITTEN = ("data/raw", "data/tiles", "models/segnet", "reports")
"""Where stages write, below the repository: DVC, or a stage, removes what is there before."""
FOLDS = "runs/folds"
"""Where `segnet crossvalidate` works, below the repository."""
VARIABLE = "SEGNET_FOLD"
"""Names a fold's folder in the environment of its stages: through links, the current folder's path may be another."""
AGAIN = "segnet crossvalidate" if os.environ.get(VARIABLE) else "dvc repro"
"""The command that continues what a stage of this process has begun."""
_FOLD = re.compile(r".*?/(?P<fold>runs/folds/folds-[0-9a-f]{16}/\d+)(/.*)?")
_COPY = re.compile(r"(?P<root>.*?)/(\.dvc/tmp/exps|runs/folds/folds-[0-9a-f]{16})/.+")


def root() -> Path:
    """Return the folder of the repository, as a relative path if it is the current folder.

    `dvc exp run --temp` and `--queue` work in a copy, .dvc/tmp/exps/.../<name>, which DVC removes afterwards, and
    `segnet crossvalidate` in a folder for each fold, runs/folds/.../<number>; there, this is the folder of the original
    repository.
    """
    match = _COPY.fullmatch(_here().as_posix())
    return Path(match["root"] or "/") if match else Path()


def checked_root(*, otherwise: str = "") -> Path:
    """Return `root`, where a repository lies; `otherwise` ends the error with what else to do.

    Raises:
        ValueError: the current folder is no repository's.
    """
    if not (root() / "dvc.yaml").exists():
        raise ValueError(
            f"expected a repository in the current folder (dvc.yaml), got {Path.cwd()}; change to the repository's "
            f"folder{otherwise}"
        )
    return root()


def fold() -> Path | None:
    """Return the fold in whose folder this process works, relative to the repository: runs/folds/.../<number>."""
    match = _FOLD.fullmatch(_here().as_posix())
    return None if match is None else Path(match["fold"])


def _here() -> Path:
    """Return the current folder; within a fold's folder as `segnet crossvalidate` named it, through links to it."""
    here, named = Path.cwd(), os.environ.get(VARIABLE)
    if not named or not here.is_relative_to(folder := Path(named).resolve()):
        return here
    return Path(named) / here.relative_to(folder)


def user_path(path: str) -> Path:
    """Return a path as a user means it: ~ is the home folder, and a relative one starts at the repository."""
    return root() / Path(path).expanduser()


def written_folder(path: Path) -> Path | None:
    """Return the folder in which a file lies that the pipeline replaces, following links; None: it lies elsewhere."""
    place = path.resolve()
    places = [folder / written for folder in {root().resolve(), Path.cwd()} for written in WRITTEN]
    return next((folder for folder in places if place.is_relative_to(folder.resolve())), None)
