"""Copies of a run's checkpoints in an object store: runs/<name>/step-<steps taken>/<token>/<file>.

The files are copied first, then the object step-<steps taken>.json that names them and so commits them; what no such
object names does not count. Each copy has a random token in its place, so that two processes that write the same step,
of which one has lost the run's lease, never mix their files.
"""

import json
import secrets
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.files import atomic, locks, strict_json
from pipeline.files.lease import Lease, LostError
from pipeline.files.storage import Storage
from pipeline.training.errors import TrainingError
from pipeline.training.run import RUNS, remove_folder

_OLD_S = 24 * 60 * 60


def prefix(folder: Path) -> str:
    """Return what the names of all objects of the run in `folder` begin with, before a slash."""
    return f"{RUNS}/{folder.name}"


def _locked(folder: Path) -> AbstractContextManager[None]:
    """Return the lock of a run's folder of copies on this machine."""
    return locks.held(folder.with_suffix(".copies.lock"), brief=True)


@dataclass(frozen=True)
class _Commit:
    """The object that commits a checkpoint."""

    place: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Copies:
    """The copies in a storage of the checkpoints in a folder of this machine; the storage decides which there are."""

    storage: Storage
    folder: Path
    """Named like the run."""
    lease: Lease

    def pull(self, step: str | None = None) -> None:
        """Make the folder hold the checkpoints that the storage has, or that of one `step`, by its name.

        What was not copied before a worker was lost is removed, since other machines do not have it.

        Raises:
            StorageError: the storage cannot be reached.
        """
        with _locked(self.folder):
            there = self._commits()
            for path in self.folder.glob("step-*"):
                if path.name not in there:
                    remove_folder(path)
            for name in there if step is None else there & {step}:
                if not (self.folder / name).exists():
                    self._pull(name)

    def push(self) -> None:
        """Copy the folder's new checkpoints to the storage, then remove those there that the folder has no more.

        Raises:
            StorageError: the storage cannot be written to.
            TrainingError: another process has taken the run over; nothing was changed.
        """
        here = {path.name for path in self.folder.glob("step-*")}
        there = self._commits()
        pushed = {name: self._push(name) for name in sorted(here - there)}
        self.storage.delete([self._commit(name) for name in there - here])
        # The files of those, and of processes that were killed before they committed.
        steps = [each for each in self.storage.names(self._prefix) if each.startswith(f"{self._prefix}/step-")]
        kept = tuple(start for name in here for start in pushed.get(name, (f"{self._prefix}/{name}",)))
        self.storage.delete(each for each in steps if not each.startswith(kept))

    def forget(self) -> None:
        """Remove the folder, since the storage has all of it, and those beside it in which nothing changed for a day.

        Without it, a node's disk would fill with the checkpoints of each run that it ever began with. One worker of
        each node calls this; a node that began with the run has no folder.
        """
        for folder in self.folder.parent.glob("*"):
            is_old = folder.is_dir() and time.time() - folder.stat().st_mtime > _OLD_S
            if folder == self.folder or is_old:
                with _locked(folder), suppress(OSError):  # which is no reason for a training to fail
                    remove_folder(folder)

    def steps(self) -> list[int]:
        """Return after how many steps the storage has checkpoints, ascending.

        Raises:
            StorageError: the storage cannot be reached.
        """
        return sorted(int(name.removeprefix("step-")) for name in self._commits())

    def remove(self) -> None:
        """Remove all of the run's copies."""
        self.storage.delete([self._commit(name) for name in self._commits()])  # first, so that none is half there
        self.storage.delete(each for each in self.storage.names(self._prefix) if each != self.lease.name)

    @property
    def _prefix(self) -> str:
        return prefix(self.folder)

    def _commit(self, name: str) -> str:
        return f"{self._prefix}/{name}.json"

    def _commits(self) -> set[str]:
        names = (Path(each) for each in self.storage.names(self._prefix))
        return {each.stem for each in names if each.suffix == ".json" and each.stem.startswith("step-")}

    def _push(self, name: str) -> tuple[str, str]:
        """Copy and commit a checkpoint; return the names with which its objects begin."""
        token = secrets.token_hex(8)  # what an owner that lost the lease still writes is never mixed with this
        place = f"{self._prefix}/{name}/{token}"
        for path in sorted((self.folder / name).iterdir()):
            self.storage.put(f"{place}/{path.name}", path)
        try:
            self.lease.check()
        except LostError as err:
            raise TrainingError(str(err)) from err
        names = sorted(path.name for path in (self.folder / name).iterdir())
        self.storage.put(self._commit(name), json.dumps({"place": place, "files": names}).encode())
        return place, self._commit(name)

    def _pull(self, name: str) -> None:
        try:
            commit = strict_json.parse(self.storage.get(self._commit(name)), _Commit)
            with atomic.replacing(self.folder / name) as temporary:
                temporary.mkdir()
                for file in commit.files:
                    self.storage.fetch(f"{commit.place}/{file}", temporary / Path(file).name)
        except FileNotFoundError:
            return  # it was removed meanwhile, or a part of it is missing: an older one is intact
