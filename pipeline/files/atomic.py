"""Writing a file or folder so that a killed process leaves either the old state or the new one."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it takes the place of `path`.

    The block makes a file or a folder there. On an error, what it made is removed and `path` stays as it was. A
    folder is replaced by two renames: killed between them, a process leaves nothing at `path`, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    replaced = path.with_name(f".{path.name}.{os.getpid()}.replaced.partial")
    _remove(temporary)
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


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
