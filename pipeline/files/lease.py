"""A lock in an object store, where there is no flock: an object that names its owner, who renews it.

A waiting process takes a lease over when it has seen no renewal for some time by its own clock, so machines' clocks
need not agree; while the storage does not answer, nobody's time runs out. An owner that was cut off for longer finds
that it has lost the lease, and must end.
"""

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.files.storage import Storage, StorageError

SECONDS = 45.0
"""A lease that was not renewed for so long may be taken over."""
_GIVE_BACK = 1 / 3  # of that time, for each of the requests at the end
_log = logging.getLogger(__name__)


class LostError(ValueError):
    """Another process has taken the lease over."""


@dataclass(frozen=True)
class Lease:
    """A lease that this process, or one that it works for, holds."""

    storage: Storage
    name: str
    """Of its object."""
    owner: str = field(default_factory=lambda: f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}")

    def check(self) -> None:
        """Raise LostError if it is another's by now."""
        owner = _owner(self.storage, self.name)
        if owner != self.owner:
            raise LostError(
                f"expected {self.storage.address}/{self.name} to be held by process {self.owner}, got "
                f"{owner or 'nobody'}; another process continues this run: end one of them"
            )

    def content(self) -> bytes:
        """Return what its object holds, different each time: stores compare objects by their content."""
        return json.dumps({"owner": self.owner, "renewal": secrets.token_hex(8)}).encode()


@contextmanager
def held(storage: Storage, name: str) -> Iterator[Lease]:
    """Hold a lease in the block; waits, with a message, while another process renews it.

    If the storage cannot be reached when the block ends, a warning says so, and the lease runs out by itself.

    Raises:
        StorageError: the storage cannot be reached, or does not obey conditions.
    """
    check_conditions(storage)
    lease = Lease(storage, name)
    _take(lease)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lease, ended), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        ended.set()
        renewing.join(_GIVE_BACK * SECONDS)  # what it still writes, it writes on the condition that the lease is ours
        _give_back(lease)


def _give_back(lease: Lease) -> None:
    """Remove the object, or let the lease run out if the storage does not answer soon: its error would hide others."""
    storage = Storage(lease.storage.address, patience=timedelta(seconds=_GIVE_BACK * SECONDS))
    try:
        if _owner(storage, lease.name) == lease.owner:
            storage.delete([lease.name])
    except StorageError as err:
        _log.warning(f"{lease.name} could not be given back, and runs out after {SECONDS:.0f} s: {err}")


def check_conditions(storage: Storage) -> None:
    """Check that an object store refuses a write whose condition does not hold: otherwise a lease keeps nobody out.

    Raises:
        StorageError: it writes all the same, or cannot be reached.
    """
    name = f"conditions-{secrets.token_hex(4)}"
    try:
        made = storage.create(name, b"1")
        ignored = "If-None-Match" if made and storage.create(name, b"2") else ""
        _, version = storage.get_version(name)
        if storage.replace(name, b"3", version) and storage.replace(name, b"4", version):
            ignored = ignored or "If-Match"
    finally:
        storage.delete([name])
    if ignored:
        raise StorageError(
            f"expected {storage.address} to refuse a write whose condition does not hold, got it written: the server "
            f"ignores {ignored}; update it, or use one with conditional writes: without them, two trainings of one run "
            "would both write its checkpoints"
        )


def _take(lease: Lease) -> None:
    storage, name = lease.storage, lease.name
    seen = since = time.monotonic()
    last = ""
    while not storage.create(name, lease.content()):
        try:
            content, version = storage.get_version(name)
        except FileNotFoundError:
            continue  # it was released just now
        owner, before, seen = _named(content), seen, time.monotonic()
        if owner == lease.owner:  # our own, whose answer was lost
            return
        if not last:
            _log.info(
                f"waiting for process {owner}, which holds {storage.address}/{name}; it is taken over after "
                f"{SECONDS:.0f} s without a sign of life"
            )
        # If nothing was seen for a while, be it that the storage or this process stood still, the owner has its time.
        if version != last or seen - before > SECONDS / 3:
            since, last = seen, version
        elif seen - since > SECONDS and storage.replace(name, lease.content(), version):
            _log.info(f"took {name} over from process {owner}, which has not renewed it for {SECONDS:.0f} s")
            return
        time.sleep(SECONDS / 15)


def _renew(lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(SECONDS / 5):
        try:
            content, version = lease.storage.get_version(lease.name)
            if _named(content) != lease.owner:
                return  # `check` says so
            lease.storage.replace(lease.name, lease.content(), version)
        except (StorageError, FileNotFoundError):
            continue  # it is said by whoever writes what matters


def _owner(storage: Storage, name: str) -> str:
    try:
        return _named(storage.get(name))
    except FileNotFoundError:
        return ""


def _named(content: bytes) -> str:
    try:
        return str(json.loads(content)["owner"])
    except (ValueError, LookupError, TypeError):
        return "unknown"
