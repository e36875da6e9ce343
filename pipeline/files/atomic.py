"""Writing a file or folder so that a killed process leaves either the old state or the new one."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it takes the place of `path`.

    The block makes a file or a folder there. On an error, what it made is removed and `path` stays as it was. A
    folder is replaced by two renames: killed between them, a process leaves nothing at `path`, never a part. What
    killed processes have left beside `path` is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    replaced = path.with_name(f".{path.name}.{os.getpid()}.replaced.partial")
    for left in _left(path):
        _remove(left)
    try:
        yield temporary
        if temporary.is_dir() and path.exists():
            path.rename(replaced)  # a folder cannot be renamed onto another; removing it takes long
        temporary.replace(path)
    finally:
        _remove(temporary)
        _remove(replaced)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, tree: Any) -> None:
    """Write `tree` as indented JSON with sorted keys: the same tree gives the same bytes."""
    write_text(path, json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def _left(path: Path) -> list[Path]:
    """Return the temporary paths beside `path` whose process is no more, or is this one."""
    beside = path.parent.glob(".*.partial")
    name = re.compile(rf"\.{re.escape(path.name)}\.(\d+)(\.replaced)?\.partial")
    found = [(match, each) for each in beside if (match := name.fullmatch(each.name))]
    return [each for match, each in found if (pid := int(match[1])) == os.getpid() or not _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
