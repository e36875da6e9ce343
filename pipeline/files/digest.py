"""Digests of files, folders and the program itself: what a run and a model are traced by."""

import hashlib
import json
import sys
from pathlib import Path


def directory_md5(folder: Path) -> str:
    """Return a folder's digest as DVC computes it: "<32 hexadecimal digits>.dir".

    The MD5 of a JSON list of the files, each with its MD5 and its path, sorted by path.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    entries = [{"md5": file_md5(folder / name), "relpath": name} for name in names]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def file_md5(path: Path) -> str:
    """Return the MD5 of a file's bytes, 32 hexadecimal digits, as DVC computes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def code_sha256() -> str:
    """Return a digest of the program's own files that this process has imported."""
    total = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and name.partition(".")[0] in ("pipeline", "stages"):
            total.update(f"{name} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def content_sha256(folder: Path) -> str:
    """Return a SHA-256 over the names and contents of all files in a folder."""
    total = hashlib.sha256()
    for name in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()):
        with (folder / name).open("rb") as file:
            total.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
