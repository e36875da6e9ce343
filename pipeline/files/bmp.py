"""Palettes of BMP files, which Pillow forgets where they are grey."""

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.ImagePalette import raw

_BITS, _BITS_OF_OS2 = 28, 24  # where the header says how many bits a pixel has
_HEADER, _OS2 = 14, 12  # where the header's size is, and that of OS/2's


def restore_palette(image: ImageFile) -> None:
    """Let an opened BMP have the palette, and the bits of a pixel, that its file has.

    Pillow reads pixels of 4 and 8 bits as 1 bit each if the palette is black and white alone, and those of 4 bits as 8
    each if it is 0, 1, 2 ... in grey (Pillow 13: PIL/BmpImagePlugin.py).
    """
    if not isinstance(image, BmpImageFile) or not image.tile or image.fp is None:
        return
    bits = _bits_of_a_pixel(image)
    codec, extents, offset, arguments = image.tile[0]
    mode, *rest = arguments if isinstance(arguments, tuple) else (None,)
    if (mode, bits) not in (("1", 4), ("1", 8), ("L", 4)):
        return
    greys = [0, 255] if mode == "1" else range(256)
    image._mode = "P"
    image.palette = raw("RGB", bytes(value for grey in greys for value in (grey, grey, grey)))
    image.tile = [type(image.tile[0])(codec, extents, offset, (f"P;{bits}" if bits < 8 else "P", *rest))]


def _bits_of_a_pixel(image: BmpImageFile) -> int:
    if image.fp is None:
        return 0
    image.fp.seek(_HEADER)
    size = int.from_bytes(image.fp.read(4), "little")
    image.fp.seek(_BITS_OF_OS2 if size == _OS2 else _BITS)
    return int.from_bytes(image.fp.read(2), "little")
