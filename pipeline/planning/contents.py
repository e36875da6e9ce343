"""Which labels masks hold, and how many pixels of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data.annotations import Drawing
from pipeline.data.pairing import Pair
from pipeline.files.images import ImageError, LossyError, histogram, read_colours, read_mask
from pipeline.files.threads import Images, largest, on_all_cores

Label = int | str | None
"""A value, a colour as red * 65536 + green * 256 + blue, or an annotation's label; None: without any."""
Colour = tuple[int, int, int]
_SAMPLE = 200  # masks; half a minute on two cores at 2 megapixels each


@dataclass(frozen=True)
class Contents:
    """What was found in a sample of the masks."""

    kind: str
    """As `mask_kind`."""
    by_mask: Mapping[str, Counter[Label]]
    """Pixels of each label, by the image's path."""
    num_masks: int
    """How many there are."""
    palette: Mapping[Label, Colour]
    """The colours of index masks with a palette."""

    @property
    def pixels(self) -> Counter[Label]:
        """Return the pixels of each label in all that was read."""
        return sum(self.by_mask.values(), Counter[Label]())

    @property
    def is_sample(self) -> bool:
        """Return whether there are masks that were not read."""
        return len(self.by_mask) < self.num_masks


def sampled(pairs: Sequence[Pair]) -> list[Pair]:
    """Return at most 200 of the images with a mask, evenly spread."""
    whole = [pair for pair in pairs if pair.image is not None and pair.mask is not None]
    step = max(1, len(whole) / _SAMPLE)
    return [whole[int(i * step)] for i in range(min(_SAMPLE, len(whole)))]


def of_masks(root: Path, pairs: Sequence[Pair]) -> Contents:
    """Return the labels in the masks of these images, at most 200 of them.

    Raises:
        ValueError: a mask cannot be read, or was compressed with losses.
    """
    chosen = sampled(pairs)
    paths = [root / str(pair.mask) for pair in chosen]
    images = Images(len(paths), largest(paths, len(paths)))
    try:
        kind, counted = "index", list(on_all_cores(_values, paths, "reading masks", images))
    except LossyError as err:
        raise ValueError(f"{paths[0].parent}: {err}") from err
    except ImageError:
        kind, counted = "colour", list(on_all_cores(_colours, paths, "reading masks", images))
    by_mask = {str(pair.image): found for pair, found in zip(chosen, counted, strict=True)}
    palette = _palette(paths, counted) if kind == "index" else {}
    return Contents(kind, by_mask, len(pairs), palette)


def of_drawings(root: Path, drawings: Mapping[Pair, Drawing], kind: str) -> Contents:
    """Return the labels in annotated images that exist, at most 200 of them.

    Raises:
        ValueError: an annotation cannot be drawn.
    """
    chosen = sampled(list(drawings))
    images = Images(len(chosen), largest((root / str(pair.image) for pair in chosen), len(chosen)))
    counted = on_all_cores(partial(_drawn, drawings), chosen, "drawing annotations", images)
    return Contents(kind, {str(pair.image): n for pair, n in zip(chosen, counted, strict=True)}, len(drawings), {})


def _values(path: Path) -> Counter[Label]:
    counts = histogram(read_mask(path))
    return Counter({int(value): int(counts[value]) for value in np.flatnonzero(counts)})


def _colours(path: Path) -> Counter[Label]:
    try:
        codes = read_colours(path) @ np.array([65_536, 256, 1])
    except ImageError as err:
        raise ValueError(f"{path}: {err}") from err
    found, counts = np.unique(codes, return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _drawn(drawings: Mapping[Pair, Drawing], pair: Pair) -> Counter[Label]:
    drawing = drawings[pair]
    drawn = drawing.draw(drawing.content())
    counts = np.bincount(drawn.codes.reshape(-1), minlength=len(drawn.names)).tolist()
    return Counter({name: count for name, count in zip(drawn.names, counts, strict=True) if count})


def _palette(paths: Sequence[Path], counted: Sequence[Counter[Label]]) -> dict[Label, Colour]:
    """Return the colours that a palette gives to values; none where the masks are grey."""
    colours: dict[Label, Colour] = {}
    for path, found in zip(paths, counted, strict=True):
        if not found.keys() <= colours.keys():
            values, shown = read_mask(path), read_colours(path)
            for value in found.keys() - colours.keys():
                row, column = np.argwhere(values == value)[0]
                red, green, blue = shown[row, column].tolist()
                colours[value] = (red, green, blue)
    grey = all(len(set(colour)) == 1 for colour in colours.values())
    return {} if grey else colours
