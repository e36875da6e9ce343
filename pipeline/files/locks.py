"""Locks between processes; a lock is released when the process that holds it ends, however it ends."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)
_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def held(path: Path, *, shared: bool = False, brief: bool = False) -> Iterator[None]:
    """Hold the lock `path` in the block, once every other holder has released it.

    Logs a message when it has to wait, and a warning on a file system without locks, where it continues unlocked.

    Args:
        path: a folder, or a file, which is created if missing and never removed: otherwise, two processes could hold
            different files as the same lock.
        shared: allow other shared holders; otherwise the lock is exclusive.
        brief: it is held for a moment, so waiting is not worth a message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # On NFS, an exclusive lock needs a file open for writing.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, brief=brief)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether any process holds the lock `path`."""
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


def _lock(descriptor: int, path: Path, kind: int, *, brief: bool) -> None:
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if not brief:
                _log.info(f"waiting for the processes that hold {path}")
            fcntl.flock(descriptor, kind)
    except OSError as err:
        if err.errno not in _NO_LOCKS_HERE:
            raise
        _log.warning(
            f"{path}: no locks on this file system ({err.strerror}); make sure no two processes train the same run"
        )
