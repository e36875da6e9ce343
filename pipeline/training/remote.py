"""Training on machines that have no disk in common, but a storage: what they read, and what they resume from.

Tiles and initial weights are published by their SHA-256 (files/blobs.py), and each machine fetches what its workers
ask for. Checkpoints are written on the first worker's machine and copied to the storage (training/copies.py). On an
object store, a lease takes the place of the lock of a run's folder.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import tileset
from pipeline.files import blobs, lease
from pipeline.files.blobs import Cache
from pipeline.files.digest import file_sha256
from pipeline.files.lease import Lease
from pipeline.files.storage import Storage
from pipeline.files.storage_address import chosen_address
from pipeline.files.storage_errors import StorageError
from pipeline.training import checkpoint, run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.copies import Copies, prefix
from pipeline.training.run import RUNS, Inputs

if TYPE_CHECKING:
    from pipeline.params.steps import Storage as Settings
    from pipeline.training.trainer import Job

_log = logging.getLogger(__name__)
_WEIGHTS = "weights"  # in `Remote.sha256`


@dataclass(frozen=True)
class Remote:
    """Where workers find the files of a job, and copy checkpoints to."""

    cache: Cache
    sha256: dict[str, str]
    """Of tiles.json, and of the file of initial weights if there is one."""
    lease: Lease | None
    """Of the run; None where the run's folder lies in the storage and is locked there."""

    def find(self, name: str) -> Path:
        """Return the path of a file of the tiles on this machine, fetched if it is missing.

        Raises:
            StorageError: it cannot be fetched.
        """
        return self.cache.path(self.sha256[name] if name == tileset.HEADER else self._tiles[name])

    @cached_property
    def _tiles(self) -> dict[str, str]:
        """The SHA-256 of the tiles' other files, by name: read once, since every tile that is read asks for one."""
        return tileset.sha256(self.find(tileset.HEADER))

    def weights(self) -> Path:
        """Return the path of the initial weights on this machine, fetched if they are missing."""
        return self.cache.path(self.sha256[_WEIGHTS])

    def copies(self, run_folder: Path) -> Copies | None:
        """Return the copies of a run's checkpoints in the storage; None: the folder itself lies there."""
        if self.lease is None:
            return None
        return Copies(self.cache.storage, self.cache.folder.expanduser() / RUNS / run_folder.name, self.lease)


@dataclass(frozen=True)
class Begun:
    """A run that this process has begun."""

    folder: Path
    """The run's, where this process finds its checkpoints in the end."""
    cache: Cache | None
    """Of each machine; None: there is no storage."""
    lease: Lease | None
    """Of the run in an object store; None: all machines see `folder`."""

    def publish(self, job: "Job") -> "Job":
        """Write what workers read into the storage, if there is one; return the job for workers that find it there.

        Raises:
            StorageError: the storage cannot be written to.
            ValueError: the tile stage did not write the tiles.
        """
        if self.cache is None:
            return job
        header = job.tiles / tileset.HEADER
        own = {tileset.HEADER: file_sha256(header)}
        files = {digest: job.tiles / name for name, digest in (own | tileset.sha256(header)).items()}
        if job.initial is not None:
            own[_WEIGHTS] = file_sha256(job.initial.file)
            files[own[_WEIGHTS]] = job.initial.file
        blobs.publish(self.cache.storage, files)
        return replace(job, remote=Remote(self.cache, own, self.lease))

    def kept(self) -> str:
        """Return what the next training of the run begins with, in words."""
        steps = checkpoint.steps(self.folder)
        if self.cache is not None and self.lease is not None:
            storage = self.cache.storage
            try:
                steps = Copies(storage, self.folder, self.lease).steps()
            except StorageError as err:
                return f"kept: the checkpoints that were copied to {storage.address}, which could not be asked: {err}"
        return (
            f"kept: the checkpoint after step {steps[-1]}"
            if steps
            else "no checkpoint was due yet (train.checkpoint_minutes): this run begins anew"
        )

    def result(self) -> Checkpoint:
        """Return the run's newest checkpoint, copied from the storage if that is not where `folder` lies.

        Raises:
            StorageError: the storage cannot be reached.
            ValueError: there is none, it is broken, or another process has taken the run over.
        """
        if self.cache is not None and self.lease is not None:
            self.lease.check()
            Copies(self.cache.storage, self.folder, self.lease).pull()
        return checkpoint.last(self.folder)


@contextmanager
def begun(settings: "Settings", inputs: Inputs, *, fresh: bool) -> Iterator[Begun]:
    """Begin a run as `run.begun` does, so that no other process can, on this machine or another.

    Its folder lies in the repository's runs/ or, if all machines mount one, in the folder that is their storage. An
    interrupt is answered by what is kept of the run.

    Args:
        settings: what the machines have in common.
        inputs: everything that determines the run.
        fresh: remove the run's checkpoints, here and in the storage.

    Raises:
        StorageError: the storage cannot be reached.
    """
    with _begun(settings, inputs, fresh=fresh) as ours:
        try:
            yield ours
        except KeyboardInterrupt:
            _log.info(ours.kept())
            raise


@contextmanager
def _begun(settings: "Settings", inputs: Inputs, *, fresh: bool) -> Iterator[Begun]:
    if (address := chosen_address(settings.address)) is None:
        with run.begun(run.all_runs(), inputs, fresh=fresh) as folder:
            yield Begun(folder, None, None)
        return
    storage = Storage(address)
    cache = Cache(storage, Path(settings.cache), settings.cache_megabytes * 1_000_000)
    if storage.folder is not None:
        with run.begun(storage.folder / RUNS, inputs, fresh=fresh) as folder:
            yield Begun(folder, cache, None)
        return
    with (
        run.begun(run.all_runs(), inputs, fresh=fresh) as folder,
        lease.held(storage, f"{prefix(folder)}/lease") as held,
    ):
        if fresh:
            Copies(storage, folder, held).remove()
        storage.put(f"{prefix(folder)}/inputs.json", json.dumps(inputs, sort_keys=True).encode())
        yield Begun(folder, cache, held)
