"""The folder of what outlasts an experiment: checkpoints, MLflow's database, and records not sent to a server yet."""

from pathlib import Path

WRITTEN = ("data/raw", "data/tiles", "models/segnet", "reports")
"""Where stages write, below the repository: DVC, or a stage, removes what is there before."""
_COPIES = (".dvc", "tmp", "exps")


def root() -> Path:
    """Return the folder of the repository, as a relative path if it is the current folder.

    `dvc exp run --temp` and `--queue` work in a copy, .dvc/tmp/exps/.../<name>, which DVC removes afterwards; in a
    copy, this is the folder of the original repository.
    """
    here = Path.cwd()
    above = [folder for folder in here.parents if folder.parts[-len(_COPIES) :] == _COPIES]
    return above[-1].parents[len(_COPIES) - 1] if above else Path()


def user_path(path: str) -> Path:
    """Return a path as a user means it: ~ is the home folder, and a relative one starts at the repository."""
    return root() / Path(path).expanduser()


def written_folder(path: Path) -> Path | None:
    """Return the folder in which a file lies that the pipeline replaces, following links; None: it lies elsewhere."""
    place = path.resolve()
    places = [folder / written for folder in {root().resolve(), Path.cwd()} for written in WRITTEN]
    return next((folder for folder in places if place.is_relative_to(folder.resolve())), None)
