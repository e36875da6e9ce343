"""Which labels masks hold, and how many pixels of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data.annotations import Drawing
from pipeline.data.pairing import Pair
from pipeline.files.decoding import read_turned
from pipeline.files.images import (
    ImageError,
    LossyError,
    decode,
    histogram,
    read_colours,
    read_header,
    read_mask,
)
from pipeline.files.threads import Images, largest, on_all_cores
from pipeline.planning.evenly import evenly

Label = int | str | None
"""A value, a colour as red * 65536 + green * 256 + blue, or an annotation's label; None: without any."""
Colour = tuple[int, int, int]
_CODE = np.array([65_536, 256, 1])
_COLOURED = ("RGB", "RGBA", "P")  # modes of pictures in which colours may tell the classes
_ONE_SHAPE = 0.9
"""Intersection over union from which areas count as the same.

A circle of 540 pixels, such as DRIVE's field of view, has 0.98 with one 5 pixels beside it; vessels that cover an
eighth of two images have 0.07 by chance.
"""
_MOST = 255  # labels
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
    questions: tuple[str, ...] = ()
    """What could not be decided."""

    @property
    def pixels(self) -> Counter[Label]:
        """Return the pixels of each label in all that was read."""
        return sum(self.by_mask.values(), Counter[Label]())

    @property
    def bare(self) -> list[str]:
        """Return the images without any shape, by annotations of shapes other than YOLO's, which a text file tells."""
        if self.kind not in ("coco", "cvat", "labelme"):
            return []
        return [image for image, held in self.by_mask.items() if held.keys() == {None}]

    @property
    def is_sample(self) -> bool:
        """Return whether there are masks that were not read."""
        return len(self.by_mask) < self.num_masks


def sampled(pairs: Sequence[Pair]) -> list[Pair]:
    """Return at most 200 of the images with a mask, evenly spread."""
    return evenly([pair for pair in pairs if pair.image is not None and pair.mask is not None], _SAMPLE)


def of_masks(root: Path, pairs: Sequence[Pair]) -> Contents:
    """Return the labels in the masks of these images, at most 200 of them.

    Raises:
        ValueError: a mask cannot be read, or was compressed with losses.
    """
    chosen = sampled(pairs)
    paths = [root / str(pair.mask) for pair in chosen]
    images = Images(len(paths), largest(paths, len(paths)))
    names = [str(pair.image) for pair in chosen]
    questions: tuple[str, ...] = ()
    refused: ImageError | None = None
    try:
        indexed = list(on_all_cores(_values, paths, "reading masks", images))
        palette, differing = _palette(paths, [colours for _, colours, _ in indexed])
        differing = differing or _negatives(paths, [is_negative for _, _, is_negative in indexed])
        if not differing:
            counted = dict(zip(names, (values for values, _, _ in indexed), strict=True))
            return Contents("index", counted, len(pairs), palette)
        questions = (differing,)
    except LossyError as err:
        raise ValueError(str(err)) from err
    except ImageError as err:
        if not _may_be_coloured(paths):
            raise ValueError(str(err)) from err
        refused = err
    counted = dict(zip(names, on_all_cores(_colours, paths, "reading masks", images), strict=True))
    found = Contents("colour", counted, len(pairs), {}, questions)
    if refused is not None and _mode(paths[0]) not in _COLOURED and len(found.pixels) > _MOST:
        raise ValueError(str(refused)) from refused  # a photograph among index masks
    return found


def are_of_one_shape(root: Path, pairs: Sequence[Pair]) -> bool:
    """Return whether each of two labels covers nearly the same pixels in all of these masks, two or more."""
    try:
        masks = [read_colours(root / str(pair.mask)) @ _CODE for pair in pairs]
    except ImageError:
        return False
    if len(masks) < 2 or len({mask.shape for mask in masks}) > 1:
        return False
    labels = np.unique(masks)
    areas = [np.array(masks) == label for label in labels]
    return len(labels) == 2 and all((np.all(area, 0).sum() / np.any(area, 0).sum()) >= _ONE_SHAPE for area in areas)


def of_drawings(root: Path, drawings: Mapping[Pair, Drawing], kind: str) -> Contents:
    """Return the labels in annotated images that exist, at most 200 of them.

    Raises:
        ValueError: an annotation cannot be drawn.
    """
    chosen = evenly([pair for pair in drawings if pair.image is not None], _SAMPLE)
    images = Images(len(chosen), largest((root / str(pair.image) for pair in chosen), len(chosen)))
    counted = on_all_cores(partial(_drawn, root, drawings), chosen, "drawing annotations", images)
    return Contents(kind, {str(pair.image): n for pair, n in zip(chosen, counted, strict=True)}, len(drawings), {})


def _values(path: Path) -> tuple[Counter[Label], Mapping[Label, Colour], bool | None]:
    """Return the pixels of each value of an index mask, the colours that its palette, if any, gives to them.

    The last says whether 0 is shown lighter than 1; None: in another colour.
    """
    try:
        decoded = decode(path)
        counts = histogram(read_mask(decoded))
    except ImageError as err:
        raise type(err)(f"{path}: {err}") from err
    values = np.flatnonzero(counts).tolist()
    shown = decoded.palette
    colours: dict[Label, Colour] = {} if shown is None else {value: shown[value] for value in values}
    is_negative: bool | None = "I" in decoded.layout.partition(";")[2]
    if shown is not None:
        are_grey = all(len(set(colour)) == 1 for colour in shown[:2]) and shown[0] != shown[1]
        is_negative = shown[0] > shown[1] if are_grey else None
    return Counter({value: int(counts[value]) for value in values}), colours, is_negative


def _colours(path: Path) -> Counter[Label]:
    try:
        codes = read_colours(path) @ _CODE
    except ImageError as err:
        raise ValueError(f"{path}: {err}") from err
    labels, counts = np.unique(codes, return_counts=True)
    return Counter(dict(zip(labels.tolist(), counts.tolist(), strict=True)))


def _may_be_coloured(paths: Sequence[Path]) -> bool:
    """Return whether the first mask has colours or a palette, or another has colours, among which some are grey."""
    return _mode(paths[0]) in _COLOURED or any(_mode(path) in ("RGB", "RGBA") for path in paths)


def _mode(path: Path) -> str:
    """Return a picture's mode; "" if it cannot be read."""
    try:
        return read_header(path)[0]
    except ImageError:
        return ""


def _drawn(root: Path, drawings: Mapping[Pair, Drawing], pair: Pair) -> Counter[Label]:
    drawing = drawings[pair]
    try:
        drawn = drawing.draw(drawing.content(), partial(read_turned, root / str(pair.image)))
    except ImageError:  # a broken image, which is asked about: look_at
        return Counter()
    counts = np.bincount(drawn.codes.reshape(-1), minlength=len(drawn.names)).tolist()
    return Counter({name: count for name, count in zip(drawn.names, counts, strict=True) if count})


def _palette(paths: Sequence[Path], of_masks: Sequence[Mapping[Label, Colour]]) -> tuple[dict[Label, Colour], str]:
    """Return the colours that palettes give to values, none where they are grey; and what to ask if they differ.

    Where each mask has a palette of its own, as of a program that reduces colours, the same value means another class
    in another mask: the colours tell the classes.
    """
    colours: dict[Label, Colour] = {}
    first: dict[Label, Path] = {}
    for path, shown in zip(paths, of_masks, strict=True):
        for value, colour in shown.items():
            if colours.setdefault(value, colour) != colour:
                return {}, (
                    f"Do colours or values tell the classes? Value {value} is {list(colours[value])} in "
                    f"{first[value].name} and {list(colour)} in {path.name}. Default: colours, since palettes differ"
                )
            first.setdefault(value, path)
    grey = all(len(set(colour)) == 1 for colour in colours.values())
    return {} if grey else colours, ""


def _negatives(paths: Sequence[Path], are_negative: Sequence[bool | None]) -> str:
    """Return what to ask if 0 is shown lighter than 1 in some masks and darker in others; "" if not."""
    if not {True, False} <= set(are_negative):
        return ""
    lighter, darker = (paths[are_negative.index(each)].name for each in (True, False))
    return (
        f"Do colours or values tell the classes? Value 0 is lighter than 1 in {lighter} and darker in {darker}. "
        "Default: colours"
    )
