"""What lies in a folder that somebody wants to train on."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from pipeline.files.decoding import suffixes

_MOST = 2_000_000  # files: more would be a wrong folder, such as a home
_HOLDERS = (
    *(".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".7z", ".rar"),
    *(".parquet", ".arrow", ".tfrecord", ".h5", ".hdf5", ".npy", ".npz", ".mat", ".pt", ".pkl", ".dcm", ".nii"),
    *(".json", ".jsonl", ".xml", ".csv", ".svg", ".geojson", ".shp"),
)
"""Suffixes of files that may hold images, masks or outlines."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, as sorted "/"-separated paths below it; hidden ones are left out."""

    root: Path
    pictures: tuple[str, ...]
    others: tuple[str, ...]
    """Files that are no pictures, such as lists and annotations."""

    def named(self, *suffixes: str) -> list[str]:
        """Return the files that are no pictures and have one of the suffixes, such as .json."""
        return [path for path in self.others if PurePosixPath(path).suffix.lower() in suffixes]

    def unread(self) -> str:
        """Say which other files may hold what is looked for, one of each kind; "" if there are none."""
        return _unread(self.others)


def read(root: Path) -> Listing:
    """Return what lies in the folder `root`.

    Raises:
        ValueError: there is no such folder, it holds no pictures, or more than two million files, or a link leads out
            of it to pictures, which the download stage would refuse, or a picture is a link that leads nowhere.
    """
    if not root.is_dir():
        raise ValueError(f"expected a folder of images, got {root}; correct the path")
    paths: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(folder).relative_to(root)
        _check_links(root, [Path(folder, name) for name in (*folders, *files)])
        paths += ((below / name).as_posix() for name in files if not name.startswith("."))
        if len(paths) > _MOST:
            raise ValueError(f"expected a data set of up to {_MOST:,} files, got more in {root}; name its own folder")
    kinds = suffixes()
    pictures = tuple(sorted(path for path in paths if PurePosixPath(path).suffix.lower() in kinds))
    if not pictures:
        raise ValueError(
            f"expected images in {root}, got none of {', '.join(sorted(kinds))}{_unread(paths)}; correct the path"
        )
    return Listing(root, pictures, tuple(sorted(set(paths) - set(pictures))))


def _unread(paths: Iterable[str]) -> str:
    of_kind = {PurePosixPath(path).suffix.lower(): path for path in sorted(paths, reverse=True)}
    examples = sorted(path for kind, path in of_kind.items() if kind in _HOLDERS)[:3]
    return f", but {', '.join(examples)}: what such files hold must first be files of images" if examples else ""


def _check_links(root: Path, paths: list[Path]) -> None:
    """Raise ValueError for a link to pictures outside the folder `root`, and for a picture's that leads nowhere."""
    for path in paths:
        if path.is_symlink() and not path.exists() and path.suffix.lower() in suffixes():
            raise ValueError(
                f"expected files in {root}, got {path.relative_to(root)}, a link that leads nowhere, to "
                f"{path.readlink()}; fetch what it links to (git annex get, dvc pull), or remove the link"
            )
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()) and _has_pictures(path):
            raise ValueError(
                f"expected files in {root}, got {path.relative_to(root)}, a link that leads out of it to "
                f"{path.resolve()}; copy what it links to, or name the folder that holds it"
            )


def _has_pictures(path: Path) -> bool:
    """Return whether a path is a picture, or a folder with one in it or, as images/train, in a folder in it."""
    kinds = suffixes()
    return any(each.suffix.lower() in kinds for each in chain([path], path.glob("*"), path.glob("*/*")))
