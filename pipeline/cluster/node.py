"""What a node of the cluster has; sent to it by value, since the node may lack this package or have another one."""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from pipeline.files.digest import file_sha256, files_sha256

CODE = {".py", ".j2", ".css", ".js"}
COMPARED_WHOLE = 1 << 20  # bytes; of larger files, the size is compared
TOKEN = "token"  # noqa: S105  # the name of a file
NOTHING = "nothing at this path"


def facts(package: str, reads: Sequence[Path], folder: Path | None) -> dict[str, Any]:
    """Return what the node that runs this has.

    Args:
        package: a package, by name.
        reads: files and folders that workers read.
        folder: which workers read and write, if any; holds the file TOKEN while nodes are asked.

    Returns:
        `code`: the SHA-256 of the package, or None; `reads`: for each path a digest, or NOTHING; `folder`: the token,
        or NOTHING; `writes`: why the folder cannot be written to, or an empty string.
    """
    return {
        "code": package_sha256(package),
        "reads": [contents(path) for path in reads],
        "folder": "" if folder is None else _text(folder / TOKEN),
        "writes": "" if folder is None else _why_not_writable(folder),
    }


def package_sha256(package: str) -> str | None:
    """Return a SHA-256 over a package's code and templates, or None if it cannot be imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    return files_sha256({str(path.relative_to(root)): path for path in root.rglob("*") if path.suffix in CODE})


def contents(path: Path) -> str:
    """Return a digest of the names and sizes of a folder's files, or of one file, and of the contents of small ones."""
    total = hashlib.sha256()
    try:
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in files:
            size = file.stat().st_size
            sha256 = file_sha256(file) if size <= COMPARED_WHOLE else ""
            total.update(f"{file.relative_to(path)} {size} {sha256}\n".encode())
    except OSError:  # not there, or not to be read
        return NOTHING
    return total.hexdigest() if files else NOTHING


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return NOTHING


def _why_not_writable(folder: Path) -> str:
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as err:
        return err.strerror or str(err)
    return ""
