"""Digests of files and folders, by which runs and models are traced."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


def md5(path: Path) -> str:
    """Return the digest of a file or folder as DVC computes it."""
    return directory_md5(path) if path.is_dir() else file_md5(path)


def directory_md5(folder: Path) -> str:
    """Return a folder's digest as DVC computes it: "<32 hexadecimal digits>.dir".

    It is the MD5 of a JSON list of the files, each with its MD5 and path, sorted by path.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    entries = [{"md5": file_md5(folder / name), "relpath": name} for name in names]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def file_md5(path: Path) -> str:
    """Return the MD5 of a file's bytes, 32 hexadecimal digits, as DVC computes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_sha256(files: Mapping[str, Path]) -> str:
    """Return a SHA-256 over the names and contents of files, in order of name."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name} {file_sha256(files[name])}\n".encode())
    return total.hexdigest()


def content_sha256(folder: Path) -> str:
    """Return a SHA-256 over the names and contents of all files in a folder."""
    return files_sha256({path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()})
