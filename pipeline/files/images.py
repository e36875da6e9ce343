"""Reading and writing images and masks: all image files of the pipeline pass through here.

A mask is read as the file stores it, or refused with the reason. Image libraries decode for the eye: they stretch 4-bit
grey to 0..255, invert where white is 0, and pass over what lossy compression did to the values. A label must survive
none of that. What else a file says, such as its orientation, is known once it is decoded: `decode` it first then.
"""

import io
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.core.arrays import Pixels
from pipeline.files.decoding import (
    SOFTWARE,
    Decoded,
    ImageError as ImageError,
    LossyError as LossyError,
    decode as decode,
    decode_leniently,
    explained,
    read_header as read_header,
)
from pipeline.files.stored_values import AS_PNG, check_range, stored_values, whole

_AS_THEY_ARE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I")
_TO_8_BITS = ((np.arange(65_536) + 128) // 257).astype(np.uint8)  # nearest: 65535 -> 255
_STRIP = 1024  # rows
_FEW_BITS, _FEW_OF_8_BITS = 4095, 16  # the highest value of 12-bit cameras, and what 8 bits would keep of it


@explained()
def read_image(source: Path | bytes | Decoded) -> Pixels:
    """Return an image as RGB, (H, W, 3) uint8, upright by its EXIF orientation.

    Grey and palette images become RGB. 16 bits become 8: grey is scaled (65535 -> 255), of colours the high byte is
    kept.

    Raises:
        ImageError: not a complete image, no pixels, more than 20,000 x 20,000, more than one frame, more channels than
            RGB, transparent, CMYK, of 16 bits that hold 12 or fewer, signed or 32-bit grey, whose white is unknown, or
            of another mode without a unique conversion to RGB.
    """
    decoded = source if isinstance(source, Decoded) else decode(source)
    image = decoded.image
    if image.mode not in _AS_THEY_ARE + _SIXTEEN_BIT:
        raise ImageError(f"expected a grey, RGB or palette image, got mode {image.mode}; convert it to RGB")
    if image.has_transparency_data and not _is_opaque(image):
        raise ImageError("expected an opaque image, got transparent pixels; flatten it on a background")
    _refuse_unknown_white(decoded)
    if image.mode in _SIXTEEN_BIT:
        grey = _to_8_bits(np.asarray(image))
        if re.fullmatch(r"I;16\w?I", decoded.layout):  # white is 0
            grey = 255 - grey
        return decoded.upright(np.repeat(grey[:, :, None], 3, axis=2))
    pixels = _to_rgb(image)
    if decoded.channel_bits == 16 and (highest := pixels.max()) <= _FEW_OF_8_BITS:
        raise ImageError(
            f"expected 16-bit colours whose white is 65535, got 0..{highest} of 255 in 8 bits, as of a 12-bit camera: "
            "it would be nearly black; scale it to 16 bits, or convert it to 8"
        )
    return decoded.upright(pixels)


@explained()
def read_preview(source: Path | bytes) -> Pixels:
    """Return about what a viewer shows of an image or mask, (H, W, 3) uint8, also of one that is refused.

    For people to recognise it, for nothing else: of several frames it is the first, further channels are missing, and
    values of more than 8 bits are stretched to 0..255.

    Raises:
        ImageError: as for `read_header`, or its pixels cannot be decoded.
    """
    image = decode_leniently(source)
    if image.mode in _AS_THEY_ARE:
        return _to_rgb(image)
    if len(image.getbands()) > 1:
        return np.asarray(image.convert("RGB"))
    values = np.asarray(image, np.float64)
    low, high = values.min(), values.max()
    grey = np.rint((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


@explained()
def read_mask(source: Path | bytes | Decoded) -> Pixels:
    """Return an index mask, (H, W) uint8: the stored values, palette indices included, upright by its EXIF orientation.

    Grey and palette images of 1, 2, 4 and 8 bits are read, and wider grey and floating-point numbers where all values
    are whole and none exceeds 255.

    Raises:
        ImageError: not a complete image of one channel and one frame; lossily compressed, as JPEG is; or of a kind
            whose stored values cannot be told.
    """
    decoded = source if isinstance(source, Decoded) else decode(source)
    _refuse_lossy(decoded)
    if decoded.image.mode == "F":
        return decoded.upright(whole(np.asarray(decoded.image)))
    if decoded.image.mode not in ("1", "L", "P", *_SIXTEEN_BIT):
        bands = len(decoded.image.getbands())
        raise ImageError(
            f"expected an index mask of one channel, got {bands} ({decoded.image.mode}); is it a colour mask "
            f"(dataset.mask_kind: colour)? Otherwise {AS_PNG}"
        )
    pixels = np.asarray(decoded.image)
    if decoded.image.mode == "1":
        pixels = pixels.astype(np.uint8)
    narrow = pixels.dtype == np.uint8
    present = np.flatnonzero(histogram(pixels)) if narrow else np.array([pixels.min(), pixels.max()], np.int64)
    stored = stored_values(present, decoded)
    check_range(stored)
    if not narrow:
        return decoded.upright(stored_values(pixels.astype(np.int64), decoded).astype(np.uint8))
    table = np.zeros(256, np.uint8)
    table[present] = stored
    return decoded.upright(table[pixels])


@explained()
def read_colours(source: Path | bytes | Decoded) -> Pixels:
    """Return a colour mask as RGB, (H, W, 3) uint8: the stored colours, upright by its EXIF orientation.

    Raises:
        ImageError: not a complete image of one frame; lossily compressed; of more than 8 bits per channel; or
            transparent.
    """
    decoded = source if isinstance(source, Decoded) else decode(source)
    _refuse_lossy(decoded)
    image = decoded.image
    _refuse_unknown_white(decoded)
    if image.mode in _SIXTEEN_BIT or (image.mode in ("RGB", "RGBA") and decoded.channel_bits != 8):
        raise ImageError(
            f"expected a colour mask of 8 bits per channel, got {decoded.channel_bits:.3g}; convert it to 8-bit RGB"
        )
    if image.mode not in ("1", "L", "P", "RGB", "RGBA"):
        raise ImageError(f"expected a colour mask in RGB, got mode {image.mode}; convert it to RGB")
    if image.has_transparency_data and not _is_opaque(image):
        raise ImageError("expected an opaque colour mask, got transparent pixels; flatten it on a background")
    return decoded.upright(_to_rgb(image))


def to_grey(pixels: Pixels) -> Pixels:
    """Return the luma of RGB pixels (H, W, 3) by ITU-R BT.601, (H, W) uint8."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def histogram(channel: Pixels) -> npt.NDArray[np.int64]:
    """Return how often each value occurs in a mask or grey image (H, W) uint8, as (256,) int64."""
    return np.array(Image.fromarray(channel).histogram(), np.int64)


def encode_png(pixels: Pixels | npt.NDArray[np.bool_], software: str = "") -> bytes:
    """Return RGB pixels (H, W, 3) or a mask (H, W), uint8, as PNG; a mask of bool has 1 bit per pixel.

    `software` is what the file says that it is from.
    """
    buffer, texts = io.BytesIO(), PngInfo()
    if software:
        texts.add_text(SOFTWARE, software)
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=texts)
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


def _refuse_lossy(decoded: Decoded) -> None:
    if decoded.is_lossy:
        raise LossyError(
            f"expected a mask in lossless compression, got {decoded.image.format} that changes labels at every border; "
            "export the masks again as PNG: a conversion of this file would keep the wrong labels"
        )


def _refuse_unknown_white(decoded: Decoded) -> None:
    if re.fullmatch(r"[LI];(32.*|\d+S)", decoded.layout):
        raise ImageError(
            f"expected unsigned grey of up to 16 bits, got {decoded.layout}, whose white is unknown; convert it to "
            "8 bits"
        )


def _to_rgb(image: Image.Image) -> Pixels:
    """Return an image as RGB, by strips: Pillow would hold three more copies of a huge image."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)).convert("RGB"))
    return pixels


def _is_opaque(image: Image.Image) -> bool:
    if image.mode in _SIXTEEN_BIT:
        return False  # Pillow cannot locate the pixels of the transparent grey value
    return image.convert("RGBA").getchannel("A").getextrema() == (255, 255)


def _to_8_bits(values: npt.NDArray[np.generic]) -> Pixels:
    highest = int(values.max())  # an image has at least one pixel
    if 0 < highest <= _FEW_BITS:
        raise ImageError(
            f"expected 16-bit grey whose white is 65535, got values up to {highest}, as of a "
            f"{highest.bit_length()}-bit camera: it would be nearly black; scale it to 16 bits, or convert it to 8"
        )
    return _TO_8_BITS[values.astype(np.uint16)]
