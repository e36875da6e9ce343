"""The folder of what outlasts an experiment: checkpoints, MLflow's database, and records not sent to a server yet."""

from pathlib import Path

WRITTEN = ("data/raw", "data/tiles", "models/segnet", "reports")
"""Where stages write, below the repository: DVC, or a stage, removes what is there before."""
FOLDS = ("runs", "folds")
_COPIES = ((".dvc", "tmp", "exps"), FOLDS)


def root() -> Path:
    """Return the folder of the repository, as a relative path if it is the current folder.

    `dvc exp run --temp` and `--queue` work in a copy, .dvc/tmp/exps/.../<name>, which DVC removes afterwards, and
    `segnet crossvalidate` in a folder for each fold, runs/folds/.../<number>; there, this is the folder of the original
    repository.
    """
    above = [
        folder.parents[len(place) - 1]
        for place in _COPIES
        for folder in Path.cwd().parents
        if folder.parts[-len(place) :] == place
    ]
    return min(above, key=lambda folder: len(folder.parts), default=Path())


def user_path(path: str) -> Path:
    """Return a path as a user means it: ~ is the home folder, and a relative one starts at the repository."""
    return root() / Path(path).expanduser()


def written_folder(path: Path) -> Path | None:
    """Return the folder in which a file lies that the pipeline replaces, following links; None: it lies elsewhere."""
    place = path.resolve()
    places = [folder / written for folder in {root().resolve(), Path.cwd()} for written in WRITTEN]
    return next((folder for folder in places if place.is_relative_to(folder.resolve())), None)
