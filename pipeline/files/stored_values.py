"""The values of a mask as its file stores them, which are not always what Pillow decodes."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.arrays import Pixels
from pipeline.files.decoding import Decoded, ImageError

AS_PNG = "save it as an 8-bit grey or palette PNG"


def whole(values: npt.NDArray[np.floating[Any]]) -> Pixels:
    """Return floating-point values (H, W), which programs for maps write, as uint8.

    Raises:
        ImageError: one is not whole, or none of 0..255.
    """
    is_whole = np.isfinite(values) & (values == np.floor(values))
    if not is_whole.all():
        raise ImageError(
            f"expected whole mask values, got {values[~is_whole][0]:g}; write the number of its class for each pixel"
        )
    check_range(values.astype(np.int64))
    return values.astype(np.uint8)


def check_range(stored: npt.NDArray[np.int64]) -> None:
    """Raise ImageError for values that are none of 8 bits."""
    if stored.min() < 0 or stored.max() > 255:
        raise ImageError(f"expected mask values 0..255, got {stored.min()}..{stored.max()}; renumber the classes")


def stored_values(values: npt.NDArray[np.int64], decoded: Decoded) -> npt.NDArray[np.int64]:
    """Return decoded values of an image of one channel as its file stores them.

    Raises:
        ImageError: they cannot be told from what Pillow decodes.
    """
    if decoded.codec == "gif":
        return values
    if decoded.codec.startswith("ppm") and decoded.layout.isdecimal():  # stretched, to 255 or 65535
        white, highest = 65_535 if decoded.image.mode == "I" else 255, int(decoded.layout)
        return (2 * values * highest + white) // (2 * white)
    match = re.fullmatch(r"(1|L|P|I)(?:;(\d+)?([A-Z]*))?", decoded.layout)
    if match is None:
        raise ImageError(f"expected a mask whose stored values can be told, got {decoded.layout}; {AS_PNG}")
    kind, bits, flags = match[1], int(match[2] or 8), match[3] or ""
    if kind == "L" and bits < 8:  # stretched to 255
        values = values // (255 // (2**bits - 1))
    if kind == "L" and "S" in flags:  # signed
        values = values - 256 * (values > 127)
    if kind in ("1", "L") and "I" in flags:  # inverted: white is 0
        values = (1 if kind == "1" else 2**bits - 1) - values
    return values
