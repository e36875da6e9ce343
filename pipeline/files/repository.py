"""Where what is to outlast an experiment lies: states of training, MLflow's file, and what waits for a server."""

from pathlib import Path

_COPIES = (".dvc", "tmp", "exps")


def root() -> Path:
    """Return the folder of the repository, relative where it is the current one.

    `dvc exp run --temp` and `--queue` work in a copy of it, .dvc/tmp/exps/.../<name>, which DVC removes afterwards:
    there it is the repository that was copied.
    """
    here = Path.cwd()
    above = [folder for folder in here.parents if folder.parts[-len(_COPIES) :] == _COPIES]
    return above[-1].parents[len(_COPIES) - 1] if above else Path()
