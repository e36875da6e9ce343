"""Files by their SHA-256: published once into a storage, and fetched once by each machine into a cache.

A name says what a file holds, so nothing is ever overwritten, any number of runs share a file, and what arrives is
checked against its name.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.files import locks
from pipeline.files.digest import file_sha256
from pipeline.files.storage import Storage, StorageError

_FOLDER = "blobs"
_AT_ONCE = 8  # transfers
_ATTEMPTS = 3  # at a file that arrives changed
_LOCKS = 64  # for all files of a cache: a lock per file would leave as many files behind


def publish(storage: Storage, files: Mapping[str, Path]) -> None:
    """Write files into the storage, by their SHA-256; those that are there already are left as they are.

    Raises:
        StorageError: the storage cannot be written to; no file is there in part.
    """

    def one(item: tuple[str, Path]) -> None:
        sha256, path = item
        if storage.size(name(sha256)) != path.stat().st_size:
            storage.put(name(sha256), path)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in threads.map(one, files.items()):
            pass


def name(sha256: str) -> str:
    """Return the name of a file in the storage."""
    return f"{_FOLDER}/{sha256[:2]}/{sha256}"


@dataclass(frozen=True)
class Cache:
    """What this machine has fetched from a storage; the processes of the machine share it."""

    storage: Storage
    folder: Path
    """Created if missing; ~ is the home folder on the machine that asks."""
    limit: int
    """In bytes. Beyond it, the files that were asked for least recently are removed; the newest always stays."""

    def path(self, sha256: str) -> Path:
        """Return the path of a file, fetched now if this machine does not have it.

        In a storage that is a folder, that is the file itself. A process that has mapped a file keeps its content,
        though the file may be removed.

        Raises:
            StorageError: the storage cannot be reached, lacks the file, or holds another one under its name.
        """
        if self.storage.folder is not None:
            return self._seen(self.storage.folder / name(sha256))
        path = self._files / sha256
        if _touched(path):
            return path
        with locks.held(self._root / "locks" / f"{int(sha256, 16) % _LOCKS:02d}", brief=True):
            if not _touched(path):
                self._fetch(sha256, path)
        with locks.held(self._root / "locks" / "all", brief=True):
            self._evict(path)
        return path

    @property
    def _files(self) -> Path:
        return self._root / _FOLDER

    @property
    def _root(self) -> Path:
        return self.folder.expanduser()

    def _seen(self, path: Path) -> Path:
        if not path.is_file():
            raise StorageError(
                f"expected the file {path}, which the driver wrote, got nothing at this path; mount "
                f"{self.storage.folder} on every node, or choose an object store (storage.address)"
            )
        return path

    def _fetch(self, sha256: str, path: Path) -> None:
        incoming = self._root / "incoming" / sha256  # a file among the others is complete and checked
        got = ""
        for _ in range(_ATTEMPTS):
            try:
                self.storage.fetch(name(sha256), incoming)
            except FileNotFoundError as err:
                raise StorageError(f"{err}; submit or train again: the driver writes what is missing") from err
            got = file_sha256(incoming)
            if got == sha256:
                path.parent.mkdir(parents=True, exist_ok=True)
                incoming.replace(path)
                return
            incoming.unlink()
        raise StorageError(
            f"expected {self.storage.address}/{name(sha256)} to have this SHA-256, got {got}; remove it there, and "
            "train again: the driver writes it anew"
        )

    def _evict(self, newest: Path) -> None:
        files = sorted(
            ((entry.stat(), entry.path) for entry in os.scandir(self._files)), key=lambda each: each[0].st_mtime_ns
        )
        excess = sum(stat.st_size for stat, _ in files) - self.limit
        for stat, file in files:
            if excess <= 0:
                break
            if Path(file) != newest:
                Path(file).unlink()
                excess -= stat.st_size


def _touched(path: Path) -> bool:
    """Mark a file as just asked for; return whether it exists."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
