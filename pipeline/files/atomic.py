"""Atomic writes: a killed process leaves a file or folder either old or new, never in between."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.files.printable import json_escaped

_TEMPORARY = re.compile(r"\.(.*)\.(\d+)(?:\.replaced)?\.partial", re.DOTALL)
_MOST_FOLDERS = 64  # whose lists are held


class _Listing(NamedTuple):
    until: float
    """When it is made anew, by time.monotonic."""
    by_name: dict[str, list[tuple[int, Path]]]
    """Process and path of each temporary file or folder, by the name of what it is to replace."""


_listings: dict[Path, _Listing] = {}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` when the block succeeds.

    The block creates a file or a folder there. On an error, that is removed and `path` is unchanged. A folder is
    replaced by two renames: a process killed between them leaves nothing at `path`, never a partial folder. Leftovers
    of killed processes beside `path` are removed.

    Raises:
        ValueError: there is a device, a pipe or a socket.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"expected a file or folder to write, got {path}, a device, pipe or socket; name another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    replaced = path.with_name(f".{path.name}.{os.getpid()}.replaced.partial")
    for leftover in _leftovers(path):
        _remove(leftover)
    try:
        yield temporary
        if temporary.is_dir() and path.exists():
            path.rename(replaced)  # a folder cannot be renamed onto another, and removing one is slow
        temporary.replace(path)
    except OSError as err:
        if err.errno is not None and err.filename is None:
            err.filename = str(path)  # of a full disk, what writes into an open file does not name it
        raise
    finally:
        _remove(temporary)
        _remove(replaced)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line endings."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, tree: Any) -> None:
    """Write `tree` as indented JSON with sorted keys: the same tree gives the same bytes."""
    text = json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, json_escaped(text) + "\n")


def _leftovers(path: Path) -> list[Path]:
    """Return the temporary paths beside `path` whose process has ended, or is this one.

    Of a folder of very many files, a list of a while ago is used: at most a hundredth of the time is spent on listing.
    """
    listed = _listings.get(path.parent)
    if listed is None or time.monotonic() > listed.until:
        began = time.monotonic()
        by_name: dict[str, list[tuple[int, Path]]] = {}
        with suppress(PermissionError), os.scandir(path.parent) as entries:  # a folder may be written to, and not read
            for entry in entries:
                if (match := _TEMPORARY.fullmatch(entry.name)) is not None:
                    by_name.setdefault(match[1], []).append((int(match[2]), path.parent / entry.name))
        if len(_listings) >= _MOST_FOLDERS:
            _listings.clear()
        now = time.monotonic()
        _listings[path.parent] = listed = _Listing(now + 100 * (now - began), by_name)
    found = listed.by_name.pop(path.name, [])
    return [temporary for pid, temporary in found if pid == os.getpid() or not _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
