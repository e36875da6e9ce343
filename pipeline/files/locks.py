"""Locks between processes: one ends with the process that holds it, whatever becomes of it."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def held(path: Path, *, shared: bool = False, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock `path` in the block, after all who hold it otherwise.

    Args:
        path: a folder, or a file, which is made where it is missing and stays: removed, two could hold it.
        shared: with others who share it, or else alone.
        say: told whom the process waits for, and where a file system has no locks, in which case it goes on without.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # On NFS a lock that is not shared needs a file open for writing.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, say or (lambda _: None))
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Say whether some process holds the lock `path`."""
    if not path.exists():
        return False
    with path.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as err:
            if err.errno not in _NO_LOCKS_HERE:
                raise
    return False


def _lock(descriptor: int, path: Path, kind: int, say: Callable[[str], None]) -> None:
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for the processes that hold {path}")
            fcntl.flock(descriptor, kind)
    except OSError as err:
        if err.errno not in _NO_LOCKS_HERE:
            raise
        say(f"{path}: its file system has no locks ({err.strerror}); see that no two processes train the same run")
