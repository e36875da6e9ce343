"""The folder of what outlasts an experiment: checkpoints, MLflow's database, and records not sent to a server yet."""

from pathlib import Path

_COPIES = (".dvc", "tmp", "exps")


def root() -> Path:
    """Return the folder of the repository, as a relative path if it is the current folder.

    `dvc exp run --temp` and `--queue` work in a copy, .dvc/tmp/exps/.../<name>, which DVC removes afterwards; in a
    copy, this is the folder of the original repository.
    """
    here = Path.cwd()
    above = [folder for folder in here.parents if folder.parts[-len(_COPIES) :] == _COPIES]
    return above[-1].parents[len(_COPIES) - 1] if above else Path()
