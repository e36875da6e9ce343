"""Reading and writing images and masks: all image files of the pipeline pass through here."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.arrays import Pixels

MAX_PIXELS = 20_000 * 20_000
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""The formats that are read. Pillow would also try others, such as EPS, for which it runs Ghostscript on the file."""

_AS_THEY_ARE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I")
_TO_8_BITS = ((np.arange(65_536) + 128) // 257).astype(np.uint8)  # nearest: 65535 -> 255
_STRIP = 1024  # rows
# What Pillow raises on a broken file: its intended errors, and whatever its format readers fail with.
_FAULTS = (
    *(OSError, SyntaxError, EOFError, struct.error, zlib.error, RuntimeError, Image.DecompressionBombError),
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
)


class ImageError(ValueError):
    """An image that cannot be read correctly; the message says why."""


@contextmanager
def _explained() -> Iterator[None]:
    """Turn whatever Pillow raises for an image into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as err:
        raise ImageError("expected an image file, got something else or a broken header") from err
    except _FAULTS as err:
        raise ImageError(f"expected a complete image file: {err}") from err


def read_header(source: Path | bytes) -> tuple[str, int, int]:
    """Return Pillow's mode, the height and the width of an image as stored, without decoding its pixels.

    Raises:
        ImageError: not an image, no pixels, or more than 20,000 x 20,000.
    """
    with _opened(source) as image:
        return image.mode, image.height, image.width


@_explained()
def read_image(source: Path | bytes) -> Pixels:
    """Return an image as RGB, (H, W, 3) uint8.

    Grey and palette images become RGB, 16-bit grey is scaled to 8 bits (65535 -> 255), and EXIF rotation is applied.

    Raises:
        ImageError: not a complete image, no pixels, more than 20,000 x 20,000, transparent, CMYK, or of another mode
            without a unique conversion to RGB.
    """
    image = _load(source)
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode not in _AS_THEY_ARE + _SIXTEEN_BIT:
        raise ImageError(f"expected a grey, RGB or palette image, got mode {image.mode}; convert it to RGB")
    if image.has_transparency_data and not _is_opaque(image):
        raise ImageError("expected an opaque image, got transparent pixels; flatten it on a background")
    if image.mode in _SIXTEEN_BIT:
        return np.repeat(_to_8_bits(np.asarray(image))[:, :, None], 3, axis=2)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):  # in strips: Pillow would hold three more copies of a huge image
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)).convert("RGB"))
    return pixels


@_explained()
def read_mask(source: Path | bytes) -> Pixels:
    """Return an index mask, (H, W) uint8: the stored values, palette indices included, never converted.

    Raises:
        ImageError: not a complete image, or not a single 8-bit channel.
    """
    image = _load(source)
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image)
        if values.max(initial=0) > 255 or values.min(initial=0) < 0:
            raise ImageError(f"expected mask values 0..255, got up to {values.max()}; renumber the classes")
        return values.astype(np.uint8)
    if image.mode not in ("L", "P"):
        raise ImageError(f"expected an index mask of one 8-bit channel, got mode {image.mode}; is it a colour mask?")
    return np.array(image)


def to_grey(pixels: Pixels) -> Pixels:
    """Return the luma of RGB pixels (H, W, 3) by ITU-R BT.601, (H, W) uint8."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def histogram(channel: Pixels) -> npt.NDArray[np.int64]:
    """Return how often each value occurs in a mask or grey image (H, W) uint8, as (256,) int64."""
    return np.array(Image.fromarray(channel).histogram(), np.int64)


def encode_png(pixels: Pixels) -> bytes:
    """Return RGB pixels (H, W, 3) or a mask (H, W), uint8, as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def resize_image(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return RGB pixels (H, W, 3) resized to (height, width), bilinearly, with antialiasing when shrunk."""
    return np.array(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def shrink_grey(grey: Pixels, size: tuple[int, int]) -> Pixels:
    """Return grey pixels (H, W) resized to (height, width), each the mean of the pixels that it covers."""
    return np.array(Image.fromarray(grey).resize((size[1], size[0]), Image.Resampling.BOX))


def resize_mask(mask: Pixels, size: tuple[int, int]) -> Pixels:
    """Return a mask (H, W) resized to (height, width) by nearest neighbour."""
    return np.array(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))


def _load(source: Path | bytes) -> Image.Image:
    with _opened(source) as image:
        image.load()
    return image


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    """Yield an image whose pixels are not decoded yet; whatever is wrong with it becomes an ImageError."""
    Image.MAX_IMAGE_PIXELS = None  # the limit below replaces Pillow's, which warns at 89 million pixels
    stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with stream, _explained():
        image = Image.open(stream, formats=FORMATS)
        if not 0 < image.width * image.height <= MAX_PIXELS:
            raise ImageError(
                f"expected 1 to {MAX_PIXELS:,} pixels, got {image.width} x {image.height}; cut it into parts"
            )
        yield image


def _is_opaque(image: Image.Image) -> bool:
    if image.mode in _SIXTEEN_BIT:
        return False  # Pillow cannot locate the pixels of the transparent grey value
    return image.convert("RGBA").getchannel("A").getextrema() == (255, 255)


def _to_8_bits(values: npt.NDArray[np.generic]) -> Pixels:
    lowest, highest = int(values.min()), int(values.max())  # an image has at least one pixel
    if lowest < 0 or highest > 65_535:
        raise ImageError(f"expected 16-bit grey values, got {lowest}..{highest}; convert it to 8 bits")
    return _TO_8_BITS[values.astype(np.uint16)]
