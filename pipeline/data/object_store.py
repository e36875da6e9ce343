"""A data set in an object store: it is copied to this machine before it is read, and again what was changed since."""

import hashlib
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pooch
import pyarrow as pa

from pipeline.data import columns
from pipeline.files import locks
from pipeline.files.storage import Storage
from pipeline.files.threads import AHEAD, in_order

_log = logging.getLogger(__name__)
_LONGEST = 255  # bytes of a file's name
_REQUESTS = 32  # at once: each waits for the network


def copied(address: str) -> Path:
    """Return a folder on this machine that has all files below an address in an object store, as they are now.

    The folder is kept among the user's downloads, for the next call and for other clones: what it has by size and time
    of change is not fetched again, so an interrupted call loses nothing. What the store has no more is removed.

    Args:
        address: s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.

    Raises:
        ValueError: there is nothing below the address, or a name cannot be that of a file here.
        StorageError: the store cannot be reached, or refuses.
    """
    storage = Storage(address)
    folder = Path(str(pooch.os_cache("segnet")), "copies", hashlib.sha256(storage.address.encode()).hexdigest()[:16])
    with locks.held(folder.with_suffix(".lock")):
        there = _files(storage.listing(), address)
        _remove_others(folder, there)
        missing = there.filter(pa.array([not _is_here(folder, *row) for row in _rows(there)], pa.bool_()))
        if len(missing):
            megabytes = sum(size for _, size, _ in _rows(missing)) / 1e6
            _log.info(
                f"copying {len(missing):,} of {len(there):,} files ({megabytes:,.1f} MB) of {address} to {folder}"
            )
        with ThreadPoolExecutor(_REQUESTS) as pool:
            for _ in in_order(
                lambda row: pool.submit(_fetch, storage, folder, *row), _rows(missing), _REQUESTS * AHEAD
            ):
                pass
    return folder


def available(address: str) -> str:
    """Return how many files there are below an address, in words; none is copied.

    Raises:
        ValueError: as `copied`; a store that does not answer is one after 20 seconds.
    """
    return f"{len(_files(Storage(address, patience=timedelta(seconds=20)).listing(), address)):,} files in {address}"


def _files(listing: pa.Table, address: str) -> pa.Table:
    """Return a store's objects without those that stand for folders, which are empty and named as one.

    Raises:
        ValueError: there are none, or a name cannot be that of a file.
    """
    folders: set[str] = set()
    for name, _, _ in _rows(listing):
        if any(part in {"", ".", ".."} or "\0" in part or len(part.encode()) > _LONGEST for part in name.split("/")):
            raise ValueError(f"expected names of files below {address}, got {name!r}; rename that object")
        folders.update(map(str, PurePosixPath(name).parents))
    for name, size, _ in _rows(listing):
        if size and name in folders:
            raise ValueError(
                f"expected names of files below {address}, got {name}, which is a folder of other objects too; rename "
                "that object"
            )
    files = listing.filter(pa.array([name not in folders for name, _, _ in _rows(listing)], pa.bool_()))
    if not len(files):
        raise ValueError(f"expected files below {address}, got none; correct dataset.path")
    return files


def _remove_others(folder: Path, there: pa.Table) -> None:
    """Remove the files of a folder that the store has not, and folders without files."""
    others = {Path(place, file) for place, _, files in os.walk(folder) for file in files}
    for name, _, _ in _rows(there):
        others.discard(folder / name)
    for path in others:
        path.unlink()
    for place, _, _ in os.walk(folder, topdown=False):
        if not os.listdir(place):  # noqa: PTH208  # its paths are not needed
            Path(place).rmdir()


def _is_here(folder: Path, name: str, size: int, changed: int) -> bool:
    """Return whether the folder has an object, with its size and time of change."""
    try:
        stat = (folder / name).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (stat.st_size, stat.st_mtime_ns) == (size, changed)


def _rows(objects: pa.Table) -> Iterator[tuple[str, int, int]]:
    """Yield each object's name, its size in bytes and when it was changed, in nanoseconds since 1970."""
    return columns.rows(objects.select(["name", "size", "changed"]))


def _fetch(storage: Storage, folder: Path, name: str, _: int, changed: int) -> None:
    storage.fetch(name, folder / name)
    os.utime(folder / name, ns=(changed, changed))  # last: a file without it is fetched again
