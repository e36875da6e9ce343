"""Decoding image files by Pillow, without losing what Pillow forgets: depth, orientation, frames, further channels."""

import io
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.MpoImagePlugin import MpoImageFile
from PIL.TiffImagePlugin import TiffImageFile

from pipeline.core.arrays import Pixels
from pipeline.files import bmp

MAX_PIXELS = 20_000 * 20_000
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""The formats that are read. Pillow would also try others, such as EPS, for which it runs Ghostscript on the file."""
SOFTWARE = "Software"
"""The keyword of a PNG's text that says what has written it (PNG specification, 11.3.3.2)."""

_PHOTOMETRIC, _ORIENTATION, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT, _SIGNED = 262, 274, 277, 339, 2  # tags of EXIF and TIFF
_ENTRIES, _PRIMARY, _PREVIEW, _NO_KIND = 0xB002, "Baseline MP Primary Image", "Large Thumbnail", "Undefined"  # of MPO
_LOSSLESS_TIFF = {
    *("raw", "tiff_raw_16", "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"),
    *("group3", "group4", "tiff_ccitt"),
}
# What Pillow raises on a broken file: its intended errors, and whatever its format readers fail with.
_FAULTS = (
    *(OSError, SyntaxError, EOFError, struct.error, zlib.error, RuntimeError, Image.DecompressionBombError),
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
)


def suffixes() -> frozenset[str]:
    """Return the file name suffixes of `FORMATS`, in lower case, such as .jpg and .jpeg."""
    Image.init()
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)


class ImageError(ValueError):
    """An image that cannot be read correctly; the message says why."""


class LossyError(ImageError):
    """A mask that was compressed with losses: no label near a border can be trusted."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever Pillow raises for an image into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as err:
        raise ImageError(f"expected an image ({', '.join(FORMATS)}), got another format or a broken header") from err
    except _FAULTS as err:
        raise ImageError(f"expected a complete image file: {err}") from err


def read_header(source: Path | bytes) -> tuple[str, int, int]:
    """Return Pillow's mode, the height and the width of an image as stored, without decoding its pixels.

    Raises:
        ImageError: not an image, no pixels, or more than 20,000 x 20,000. OSError: the file cannot be opened.
    """
    with _opened(source) as image:
        return image.mode, image.height, image.width


def read_turned(source: Path | bytes) -> tuple[int, int, int]:
    """Return an image's height and width once it is turned upright, and the EXIF orientation, 1 to 8, that says how.

    Raises:
        ImageError: as for `read_header`, or it is broken: pixels are decoded where EXIF comes last.
    """
    with explained(), _opened(source) as image:
        turn = _orientation(image)
        is_turned = image.format != "TIFF" and turn >= 5  # Pillow tells a TIFF's size as if turned
        return (image.width, image.height, turn) if is_turned else (image.height, image.width, turn)


def read_software(path: Path) -> str:
    """Return what software a PNG says that it is from; "" if it does not, or is none."""
    try:
        with explained(), Image.open(path, formats=["PNG"]) as image:
            return str(image.info.get(SOFTWARE, ""))
    except ImageError:
        return ""


@dataclass(frozen=True)
class Decoded:
    """A decoded image, and what Pillow forgets of the file while it decodes."""

    image: Image.Image
    mode: str
    """Pillow's name of what the file stores, such as RGB."""
    codec: str
    """Of Pillow, such as zip."""
    layout: str
    """Of the stored values as Pillow names it, such as L;4 for 4-bit grey; of a PPM file, the highest value."""
    orientation: int
    """By EXIF, 1 to 8: how the stored pixels are turned to be upright. 1, upright, where the file does not say."""
    is_upright: bool
    """Whether the image is already: Pillow turns a TIFF while it decodes."""
    is_lossy: bool
    """Whether values were changed by compression."""

    @property
    def channel_bits(self) -> float:
        """Return the bits of a stored value of one channel: 8, 16, or for PPM the logarithm of its range."""
        if self.codec.startswith("ppm") and self.layout.isdecimal():
            return math.log2(int(self.layout) + 1)
        match = re.fullmatch(r"(\w+);(\d+)\w*", self.layout)
        if match is None:
            return 8
        return int(match[2]) / 3 if match[1] == "BGR" else int(match[2])  # of BMP, for the three together

    @property
    def palette(self) -> list[tuple[int, int, int]] | None:
        """The colour of each of 256 values by the palette; those that it lacks are black. None: there is no palette."""
        if self.image.mode != "P":
            return None
        shown = (self.image.getpalette("RGB") or []) + [0] * 768
        return [(shown[3 * i], shown[3 * i + 1], shown[3 * i + 2]) for i in range(256)]

    def upright(self, pixels: Pixels) -> Pixels:
        """Return this image's pixels, (H, W) or (H, W, 3), turned as its EXIF orientation says.

        Images and masks of every format obey it alike (CIPA DC-008, Exif 2.32, tag 274).
        """
        turn = 1 if self.is_upright else self.orientation
        turned = pixels.swapaxes(0, 1) if turn >= 5 else pixels
        flipped = turned[::-1] if turn in (3, 4, 7, 8) else turned
        mirrored = flipped[:, ::-1] if turn in (2, 3, 6, 7) else flipped
        return np.ascontiguousarray(mirrored)


def decode(source: Path | bytes) -> Decoded:
    """Return an image with its pixels as Pillow decodes them.

    Raises:
        ImageError: not a complete image, more than one frame, or more channels than are decoded.
    """
    with _opened(source) as image:
        frames, bands = _num_frames(image), _num_stored_bands(image)
        if frames > 1:
            raise ImageError(f"expected a single image, got {frames} frames or pages; save the one that counts alone")
        if bands > len(image.getbands()):
            raise ImageError(
                f"expected grey or RGB, got {bands} channels, of which only {len(image.getbands())} would be read; "
                "save the channels that count as RGB"
            )
        codec, arguments = (tiles[0][0], tiles[0][3]) if (tiles := image.tile) else ("", "")
        if isinstance(arguments, tuple):
            arguments = arguments[-1] if codec.startswith("ppm") else arguments[0]
        if isinstance(image, TiffImageFile) and arguments == "L" and image.tag_v2.get(_SAMPLE_FORMAT) == (_SIGNED,):
            arguments = "L;8S"  # Pillow reads -1 as 255
        if isinstance(image, TiffImageFile) and image.mode == "I;16" and image.tag_v2.get(_PHOTOMETRIC) == 0:
            arguments = f"{arguments}I"  # white is 0, which Pillow tells, and obeys, up to 8 bits
        mode = image.mode
        orientation = _orientation(image)  # of a PNG, this decodes it: its last chunk may say
        is_upright, is_lossy = image.format == "TIFF", _is_lossy(image)
        image.load()
    return Decoded(image, mode, codec, str(arguments), orientation, is_upright, is_lossy)


def decode_leniently(source: Path | bytes) -> Image.Image:
    """Return what Pillow decodes of an image's first frame, as stored; what it forgets is lost.

    Raises:
        ImageError: as for `read_header`, or its pixels cannot be decoded.
    """
    with _opened(source) as image:
        image.load()
    return image


def _orientation(image: ImageFile) -> int:
    return value if (value := image.getexif().get(_ORIENTATION, 1)) in range(1, 9) else 1


def _num_frames(image: ImageFile) -> int:
    """Return how many frames or pages an opened image has; what a camera adds to a JPEG for its screen is none.

    Such a file says what kind each of its images is (CIPA DC-007, 5.2.3.3). Large thumbnails of a primary image are
    previews, and so is a smaller image of no kind; of a stereo pair or a panorama, each is a frame.
    """
    if not isinstance(image, MpoImageFile) or image.mpinfo is None:
        return getattr(image, "n_frames", 1)
    kinds = [entry["Attribute"]["MPType"] for entry in image.mpinfo[_ENTRIES]]
    is_one = kinds[0] == _PRIMARY and all(
        kind.startswith(_PREVIEW) or (kind == _NO_KIND and _is_smaller(image, number))
        for number, kind in enumerate(kinds[1:], 1)
    )
    return 1 if is_one else len(kinds)


def _is_smaller(image: ImageFile, number: int) -> bool:
    """Return whether a further image of the file has fewer pixels than the first, by its header, or was cut off."""
    if image.fp is None:
        return False
    image.fp.seek(0)
    again = Image.open(io.BytesIO(image.fp.read()))  # an image that could not seek cannot go back
    try:
        again.seek(number)
        is_smaller = again.width * again.height < image.width * image.height
        if not is_smaller:
            again.load()  # a header that was cut off leaves the size as it was
    except _FAULTS:
        return True
    return is_smaller


def _num_stored_bands(image: ImageFile) -> int:
    return int(image.tag_v2.get(_SAMPLES_PER_PIXEL, 1)) if isinstance(image, TiffImageFile) else 1


def _is_lossy(image: ImageFile) -> bool:
    """Return whether an opened image is compressed with losses, or by a method that may lose."""
    if image.format == "TIFF":
        return image.info.get("compression", "raw") not in _LOSSLESS_TIFF
    if image.format == "WEBP" and image.fp is not None:
        image.fp.seek(0)
        return b"VP8L" not in image.fp.read(1024)  # the chunk of a lossless bitstream
    return image.format in ("JPEG", "MPO")


@contextmanager
def _opened(source: Path | bytes) -> Iterator[ImageFile]:
    """Yield an image whose pixels are not decoded yet; whatever is wrong with it becomes an ImageError."""
    Image.MAX_IMAGE_PIXELS = None  # the limit below replaces Pillow's, which warns at 89 million pixels
    stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with stream, explained():
        image = Image.open(stream, formats=FORMATS)
        if not 0 < image.width * image.height <= MAX_PIXELS:
            raise ImageError(
                f"expected 1 to {MAX_PIXELS:,} pixels, got {image.width} x {image.height}; cut it into parts"
            )
        bmp.restore_palette(image)
        yield image
