"""Removing old training runs, and leftovers of killed processes.

Only these are removed:

* runs below runs/, except the run of models/segnet and the newest others: those started or resumed last;
* temporary files and folders below runs/, models/, reports/ and data/ (`.*.partial`) that have not been written to for
  an hour.

Records in runs/unsent, which wait for the tracking server, are kept, whatever their names.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts.model import read_spec
from pipeline.training.run import is_in_use, remove_folder, run_folders

_FOLDERS = ("runs", "models", "reports", "data")
_UNSENT = Path("runs/unsent")
_TOO_OLD = 3600  # seconds


@dataclass(frozen=True)
class Waste:
    """A folder or file to be removed."""

    path: Path
    """Relative to the repository."""
    size: int
    """In bytes."""
    is_run: bool
    """Otherwise it is a temporary file or folder."""


def find(root: Path, keep: int) -> list[Waste]:
    """Return what to remove from the repository at `root`, keeping `keep` runs besides that of models/segnet.

    Raises:
        ValueError: models/segnet cannot be read, so its run is unknown.
    """
    model = root / "models" / "segnet"
    current = read_spec(model).run if model.exists() else None
    others = [folder for folder in run_folders(root / "runs") if folder.name != current]
    old = [folder for folder in others[keep:] if not is_in_use(folder)]
    temporary = [path for top in _FOLDERS for path in (root / top).rglob(".*.partial")]
    outermost = [path for path in temporary if not {*path.parents} & {*temporary, *old, root / _UNSENT}]
    abandoned = [path for path in outermost if _last_written(path) < time.time() - _TOO_OLD]
    waste = [(path, True) for path in old] + [(path, False) for path in sorted(abandoned)]
    return [Waste(path.relative_to(root), _size(path), is_run) for path, is_run in waste]


def remove(root: Path, waste: Waste) -> None:
    """Remove an item that `find` returned from the repository at `root`."""
    path = root / waste.path
    if waste.is_run:
        remove_folder(path)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _tree(path: Path) -> list[Path]:
    return [path, *path.rglob("*")]


def _last_written(path: Path) -> float:
    return max(each.lstat().st_mtime for each in _tree(path))


def _size(path: Path) -> int:
    return sum(each.lstat().st_size for each in _tree(path) if not each.is_dir())
