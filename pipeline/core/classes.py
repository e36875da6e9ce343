"""The class table: names, colours, and void, which is always one index past the last class."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassTable:
    """The C classes of a data set, in index order.

    A mask holds 0..C-1 for the classes and C for void, which is neither trained on nor scored.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    """Red, green, blue of each class, 0..255."""
    void_colour: Colour
    published_weights: tuple[float, ...] | None
    """The data set's published loss weights, or None."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the lists agree in length and the names differ."""
        if not 2 <= len(self.names) <= 255:
            raise ValueError(f"expected 2 to 255 classes, got {len(self.names)}; merge or add classes")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"expected distinct class names, got {self.names}; rename one")
        for what, values in (("colours", self.colours), ("published weights", self.published_weights)):
            if values is not None and len(values) != len(self.names):
                raise ValueError(f"expected {len(self.names)} {what}, one per class, got {len(values)}")
        for colour in (*self.colours, self.void_colour):
            if not all(0 <= value <= 255 for value in colour):
                raise ValueError(f"expected colour values from 0 to 255, got {colour}; correct them")

    def __len__(self) -> int:
        """Return the number of classes C, excluding void."""
        return len(self.names)

    @property
    def void(self) -> int:
        """Return the mask value of unlabelled pixels: C."""
        return len(self.names)

    def palette(self) -> npt.NDArray[np.uint8]:
        """Return the colour of each mask value, (256, 3) uint8; void and all values above have the void colour."""
        palette = np.empty((256, 3), np.uint8)
        palette[:] = self.void_colour
        palette[: len(self)] = self.colours
        return palette

    def to_json(self) -> dict[str, Any]:
        """Return a dict of plain lists, strings and numbers."""
        return asdict(self)


# SegNet release (class order, colours, `class_weighting` of Models/segnet_train.prototxt).
CAMVID = ClassTable(
    names=(
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree",
        "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ),
    colours=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    void_colour=(0, 0, 0),
    published_weights=(0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478, 7.3614),
)  # fmt: skip
