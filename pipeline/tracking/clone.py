"""Which clone of the repository records a training: where clones share a store, each writes to runs of its own.

A run has one writer at a time. Within a clone, locks see to it (training/run.py); between clones there are none, since
MLflow can neither lock a run nor compare and set a tag. So a clone has an id, which its runs carry as a tag, and never
writes to a run with another. Nothing is left to race for: two clones that train the same inputs at once, or one after
the other, are two runs of the same name.
"""

import logging
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from secrets import token_hex

from pipeline.files import atomic, locks, strict_json

_FILE, _LOCK = "clone.json", "clone.lock"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Identity:
    """A clone's id, and where the clone was when it last used it."""

    id: str
    host: str
    folder: str
    """Absolute path of its folder of runs."""
    inode: int
    """Of that folder: a copy has another, unlike the same folder on another host or under another name."""


def clone_id(runs: Path) -> str:
    """Return the id of the clone whose folder of runs is `runs`, 16 hexadecimal digits; made on the first call.

    It is kept in that folder, and so stays when a clone is moved, renamed, or mounted elsewhere. A copy gets a new one:
    a folder is a copy if it has another inode than the one that last used the id, and is on another host, or the folder
    that used it is still where it was.

    Raises:
        ValueError: the file with the id is broken.
    """
    runs.mkdir(parents=True, exist_ok=True)
    here = _Identity(token_hex(8), socket.gethostname(), str(runs.resolve()), runs.stat().st_ino)
    with locks.held(runs / _LOCK):
        known = _read(runs)
        if known is not None and _is_copy(known, here):
            _log.info(
                f"{here.folder} is a copy of {known.folder}: from now on its trainings have MLflow runs of their own"
            )
        elif known is not None:
            here = replace(here, id=known.id)
        if here != known:
            atomic.write_json(runs / _FILE, asdict(here))
    return here.id


def become(runs: Path, clone: str) -> None:
    """Make `clone` the id of the clone whose folder of runs is `runs`, which is on this machine.

    The attempts at a job are one clone, wherever they run: of them, one runs at a time.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with locks.held(runs / _LOCK):
        here = _Identity(clone, socket.gethostname(), str(runs.resolve()), runs.stat().st_ino)
        atomic.write_json(runs / _FILE, asdict(here))


def _is_copy(known: _Identity, here: _Identity) -> bool:
    if here.inode == known.inode:
        return False
    if here.host != known.host:
        return True
    if here.folder == known.folder:  # restored from a copy
        return False
    there = _read(Path(known.folder))
    return there is not None and there.id == known.id


def _read(runs: Path) -> _Identity | None:
    path = runs / _FILE
    try:
        return strict_json.parse(path.read_bytes(), _Identity)
    except FileNotFoundError:
        return None
    except ValueError as err:
        raise ValueError(f"{path}: expected the id of this clone: {err}; remove the file to get a new id") from err
