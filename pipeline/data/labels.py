"""What the pixels of a user's masks mean: values, colours or annotations become indices into the class table."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.data.annotations import Size
from pipeline.data.assignment import Job
from pipeline.files.images import ImageError, decode, histogram, read_colours, read_mask
from pipeline.params.dataset import FolderDataset

Labels = npt.NDArray[np.int16]
Colour = tuple[int, int, int]

_BLACK = (0, 0, 0)
_OUTSIDE = -1  # label of a pixel that the class table does not name
_STRIP = 2**20  # pixels converted at once
_SHOWN = 5  # labels that the class table does not name


@dataclass(frozen=True)
class Coded:
    """A user's mask, and what its pixels mean."""

    pixels: npt.NDArray[np.unsignedinteger]
    """Values, or codes of labels (H, W), or colours (H, W, 3)."""
    table: Labels
    """The index of each value, code or colour."""
    orientation: int
    shown: Callable[[int], str]
    """Returns a value, code or colour as the class table would name it."""


def reader(settings: FolderDataset, classes: ClassTable) -> Callable[[Job, bytes, Size], Coded]:
    """Return what reads the mask of an image, given what its file holds and what tells the image's size.

    Raises:
        ImageError: a mask cannot be read.
        ValueError: an annotation cannot be drawn.
    """
    if settings.is_annotated:
        index_of = {
            row.value: classes.void if row.ignore else classes.names.index(row.name) for row in settings.classes
        }
        return partial(_drawn, index_of)
    if settings.mask_kind == "colour":
        return partial(_coloured, labels(settings, classes))
    by_value: dict[int, tuple[str, Colour]] = {
        row.value: (row.name, row.colour) for row in settings.classes if isinstance(row.value, int)
    }
    return partial(_indexed, labels(settings, classes), by_value)


def _drawn(index_of: Mapping[int | str | None, int], job: Job, content: bytes, size: Size) -> Coded:
    if job.drawing is None:
        raise ValueError(f"expected annotations of {job.pair.image} in {job.pair.mask}, got none")
    drawn = job.drawing.draw(content, size)
    table = np.array([index_of.get(name, _OUTSIDE) for name in drawn.names], np.int16)
    shown = [name or "no annotation" for name in drawn.names]
    return Coded(drawn.codes, table, drawn.orientation, shown.__getitem__)


def _coloured(table: Labels, _: Job, content: bytes, __: Size) -> Coded:
    decoded = decode(content)
    return Coded(read_colours(decoded), table, decoded.orientation, _colour_text)


def _indexed(table: Labels, by_value: Mapping[int, tuple[str, Colour]], _: Job, content: bytes, __: Size) -> Coded:
    decoded = decode(content)
    pixels = read_mask(decoded)
    if decoded.palette is not None:
        _refuse_another_palette(np.flatnonzero(histogram(pixels)).tolist(), decoded.palette, by_value)
    return Coded(pixels, table, decoded.orientation, str)


def _refuse_another_palette(
    values: Iterable[int], shown: Sequence[Colour], by_value: Mapping[int, tuple[str, Colour]]
) -> None:
    """Raise ImageError if a palette gives a value the colour of another class: values would be misread in silence.

    A program that reduces colours numbers them anew in each file. Black says nothing: palettes are filled up with it.
    """
    names = {colour: name for name, colour in by_value.values()}
    for value in values:
        own, of_own = by_value.get(value, ("no class", None))
        other = names.get(shown[value])
        if of_own != shown[value] != _BLACK and other not in (None, own):
            raise ImageError(
                f"expected a palette in which value {value} has the colour of its class, {own}, got {shown[value]}, "
                f"that of {other}; set dataset.mask_kind to colour if colours tell the classes, otherwise correct the "
                "colours of dataset.classes"
            )


def _colour_text(code: int) -> str:
    return str(list(code.to_bytes(3)))


def shown(outside: Counter[int], text: Callable[[int], str]) -> str:
    """Return the labels that the class table does not name, the most frequent first: as the table would name them."""
    texts = [f"{text(code)} ({count:,} px)" for code, count in outside.most_common(_SHOWN)]
    more = [f"and {len(outside) - _SHOWN} more"] if len(outside) > _SHOWN else []
    return ", ".join(texts + more)


def labels(settings: FolderDataset, classes: ClassTable) -> Labels:
    """Return the index of each mask value, (256,), or of each colour red * 65536 + green * 256 + blue, (2**24,), int16.

    Ignored rows are void; values and colours in no row are -1.
    """
    table = np.full(2**8 if settings.mask_kind == "index" else 2**24, _OUTSIDE, np.int16)
    for row in settings.classes:
        code = row.value if settings.mask_kind == "index" else int.from_bytes(row.colour)
        table[int(code or 0)] = classes.void if row.ignore else classes.names.index(row.name)
    return table


def to_index(
    mask: npt.NDArray[np.unsignedinteger], table: Labels, void: int
) -> tuple[Pixels, npt.NDArray[np.bool_], Counter[int]]:
    """Return the index mask (H, W) uint8, which pixels hold a label that the table does not name, and how many of each.

    Such pixels, (H, W) bool, become void. A colour's label is red * 65536 + green * 256 + blue.

    Args:
        mask: values or codes (H, W), or colours (H, W, 3).
        table: index of each value, code or colour, as `labels` returns it.
        void: index of unlabelled pixels.
    """
    indices, unknown = np.empty(mask.shape[:2], np.uint8), np.empty(mask.shape[:2], np.bool_)
    outside = Counter[int]()
    rows = max(1, _STRIP // mask.shape[1])
    for top in range(0, len(mask), rows):
        strip = mask[top : top + rows]
        codes = strip if strip.ndim == 2 else strip @ np.array([65_536, 256, 1])
        strip_indices = table[codes]
        unknown[top : top + rows] = strip_unknown = strip_indices == _OUTSIDE
        outside.update(
            dict(zip(*(part.tolist() for part in np.unique(codes[strip_unknown], return_counts=True)), strict=True))
        )
        strip_indices[strip_unknown] = void
        indices[top : top + rows] = strip_indices
    return indices, unknown, outside
