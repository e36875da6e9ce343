"""What every data set says of its images, and how it makes each."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.artifacts.manifest import SPLITS
from pipeline.core.classes import ClassTable
from pipeline.files.threads import Images


class File(NamedTuple):
    """A file of data/raw that is not written yet."""

    place: str
    """Path below data/raw, "/"-separated."""
    content: bytes


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image as a data set provides it."""

    split: str
    """train, val or test."""
    sequence: str
    """Images filmed or drawn together share one; may be empty for a mask without an image."""
    name: str
    """Unique within the split, and safe as a file name."""
    image: File | None
    """Image file below images/<split>; None if missing."""
    mask: File | None
    """Index mask below masks/<split>: 0..C-1, void C; the original file if it could not be read; None if missing."""
    problem: str = ""
    """Why the mask could not be read; empty if it could."""
    mask_orientation: int = 1
    """EXIF orientation of the user's mask, 1 to 8; the index mask is upright."""
    outside: int = 0
    """Number of mask pixels that the class table does not name; they became void."""
    outside_mask: File | None = None
    """Where those pixels are: a 1-bit mask below outside/<split>; None if there are none."""
    labels_outside: str = ""
    """Their values or colours, with the number of pixels of each."""

    @property
    def id(self) -> str:
        """Return what the manifest calls it."""
        return f"{self.split}/{self.name}"


@dataclass(frozen=True)
class Source:
    """A data set whose images are made one by one: however many there are, few are held."""

    dataset: str
    """Short name: the registered model is segnet-<dataset>."""
    classes: ClassTable
    """Classes in index order."""
    licence: str
    """Licence notice, one paragraph."""
    jobs: Collection[Any]
    """What `load` takes: one for each image, and one for each mask without an image, by ascending id."""
    load: Callable[[Any], Iterable[Any]]
    """Reads the files of one image; any thread may call it."""
    make: Callable[[Any], SourceImage]
    """Makes an image of what was read, on any machine: it reads and writes no file.

    Raises ValueError where a mask must not be used.
    """
    images: Images
    """What is known of them before they are made."""
    splits: tuple[str, ...] = SPLITS
    """The splits that there are: all, or all but test."""
