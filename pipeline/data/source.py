"""What every data set tells of the images that it wrote."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.classes import ClassTable


@dataclass(frozen=True)
class Entry:
    """One image as a data set offers it."""

    split: str
    """train, val or test."""
    sequence: str
    """What was filmed or drawn together; may be empty for a mask without an image."""
    name: str
    """Unique within the split, and safe as a file name."""
    image: Path | None
    """Image file below images/<split>; None: missing."""
    mask: Path | None
    """Index mask below masks/<split>: 0..C-1, void C, or, where it could not be read, the file as it was.
    None: missing."""
    problem: str = ""
    """Why the mask could not be read; empty where it could."""
    outside: int = 0
    """Mask pixels that the class table does not name; they were made void."""


@dataclass(frozen=True)
class Source:
    """A data set after it was written."""

    dataset: str
    """Short name: the registered model is segnet-<dataset>."""
    classes: ClassTable
    """Classes in index order."""
    licence: str
    """Licence notice, one paragraph."""
    entries: tuple[Entry, ...]
    """One for each image, and one for each mask without an image."""
