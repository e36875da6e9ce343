"""Every kind of image file, written by hand or by another library than the one that the pipeline reads it with."""

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import png
import tifffile
from PIL import Image

from tests.support.image_files import (
    HEIGHT,
    WIDTH,
    bmp_file,
    gif_file,
    packed,
    pbm_file,
    pgm_file,
    saved,
    tiff_file,
    values,
)
from tests.support.mutations import chunk


@dataclass(frozen=True)
class Kind:
    """A kind of file, and what it holds for each reader; None: it cannot be read as that."""

    format: str
    colours: str
    bits: int
    write: Callable[[int], bytes]
    """Takes the EXIF orientation."""
    index: np.ndarray | None = None
    """Stored labels."""
    rgb: np.ndarray | None = None
    """Stored colours of 8 bits."""
    image: np.ndarray | None = None
    """What is to be seen, in 8 bits."""
    word: str = "exact"
    """In the cell of images, where it is read."""

    @property
    def is_oriented(self):
        """Whether the format states an orientation."""
        return self.format in ("PNG", "TIFF", "JPEG", "WebP")


SCALED, HIGH = {"word": "scaled to 8 bits"}, {"word": "high byte"}
LABELS, FULL = values(8), np.random.default_rng(16).integers(0, 65_536, (HEIGHT, WIDTH))
RGB, RGB_16 = (np.random.default_rng(3).integers(0, high, (HEIGHT, WIDTH, 3)) for high in (256, 65_536))
SMOOTH = np.linspace(20, 220, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)


def grey(array, bits):
    """Return the colours of grey values: black is 0, white the highest."""
    return np.rint(array * 255 / (2**bits - 1)).astype(int)[:, :, None].repeat(3, axis=2)


def holds(index, shown):
    """Return what a file of labels that have colours holds for each reader."""
    return {"index": index, "rgb": shown, "image": shown}


def png_of(rows, orientation, **options):
    buffer = io.BytesIO()
    png.Writer(WIDTH, HEIGHT, **options).write(buffer, rows.reshape(HEIGHT, -1).tolist())
    tag = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    content = buffer.getvalue()
    return content[:33] + chunk(b"eXIf", tag) + content[33:]  # after the header


def tiff_of(array, orientation, kind="uint8", **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array.astype(kind), extratags=[(274, "H", 1, orientation, True)], **options)
    return buffer.getvalue()


def by_pillow(kind, mode, array, orientation, **options):
    exif = Image.Exif()
    exif[274] = orientation
    return saved(Image.fromarray(array.astype(np.uint8)).convert(mode), kind, exif=exif, **options)


def bmp_of_colours(five):
    """A BMP of 5 bits for red, green and blue each, the fifteen in two bytes."""
    red, green, blue = np.moveaxis(five[::-1], 2, 0)
    rows = packed(red << 10 | green << 5 | blue, 16)
    head = struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 16, 0, len(rows), 0, 0, 0, 0) + rows


def plain(content):
    """Return a writer of a file without an orientation."""
    return lambda _: content


def of_png() -> Iterator[Kind]:
    for bits in (1, 2, 4, 8):
        array = values(bits)
        yield Kind("PNG", "grey", bits, partial(png_of, array, bitdepth=bits), **holds(array, grey(array, bits)))
    yield Kind("PNG", "grey, labels up to 255", 16, partial(png_of, LABELS, bitdepth=16), index=LABELS)
    yield Kind("PNG", "grey", 16, partial(png_of, FULL, bitdepth=16), image=grey(FULL, 16), **SCALED)
    for bits in (1, 2, 4, 8):
        array, palette = values(bits), [(9 * i % 256, i, 7) for i in range(2**bits)]
        write = partial(png_of, array, bitdepth=bits, palette=palette)
        yield Kind("PNG", "palette", bits, write, **holds(array, np.array(palette)[array]))
    for alpha, word in ((255, "opaque"), (200, "transparent")):
        shown = LABELS[:, :, None]
        layer = np.full_like(shown, alpha)
        write = partial(png_of, np.concatenate([shown, layer], axis=2), greyscale=True, alpha=True)
        yield Kind("PNG", f"grey, {word} alpha", 8, write, image=grey(LABELS, 8) if alpha == 255 else None)
        write = partial(png_of, np.concatenate([RGB, layer], axis=2), greyscale=False, alpha=True)
        read = {"rgb": RGB, "image": RGB} if alpha == 255 else {}
        yield Kind("PNG", f"RGB, {word} alpha", 8, write, **read)
    yield Kind("PNG", "RGB", 8, partial(png_of, RGB, greyscale=False), rgb=RGB, image=RGB)
    wide = {"greyscale": False, "bitdepth": 16}
    yield Kind("PNG", "RGB", 16, partial(png_of, RGB_16, **wide), image=RGB_16 // 256, **HIGH)
    yield Kind("PNG", "RGB, 12 bits in 16", 16, partial(png_of, RGB_16 // 16, **wide))


def of_tiff() -> Iterator[Kind]:
    for bits in (1, 2, 4, 8):
        array = values(bits)
        dark = np.arange(3 * 2**bits).reshape(3, -1).T // 256  # the high bytes of the map's colours
        shown = {
            "grey": (1, grey(array, bits)),
            "white is 0": (0, 255 - grey(array, bits)),
            "palette": (3, dark[array]),
        }
        for name, (photometric, colours) in shown.items():
            yield Kind("TIFF", name, bits, partial(tiff_file, array, bits, photometric), **holds(array, colours))
    for photometric, name in ((1, "grey"), (0, "white is 0")):
        yield Kind("TIFF", f"{name}, labels up to 255", 16, partial(tiff_file, LABELS, 16, photometric), index=LABELS)
        shown = grey(FULL, 16) if photometric else grey(65_535 - FULL, 16)
        yield Kind("TIFF", name, 16, partial(tiff_file, FULL, 16, photometric), image=shown, **SCALED)
    yield Kind("TIFF", "grey, labels up to 255", 32, partial(tiff_file, LABELS, 32, 1), index=LABELS)
    yield Kind("TIFF", "signed grey", 8, partial(tiff_of, LABELS // 2, kind="int8"), index=LABELS // 2)
    yield Kind("TIFF", "signed grey", 16, partial(tiff_of, LABELS, kind="int16"), index=LABELS)
    yield Kind("TIFF", "whole real numbers", 32, partial(tiff_of, LABELS, kind="float32"), LABELS)
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"):
        write = partial(by_pillow, "TIFF", "L", LABELS, compression=name)
        yield Kind("TIFF", f"grey, {name.split('_')[-1]}", 8, write, **holds(LABELS, grey(LABELS, 8)))
    write = partial(by_pillow, "TIFF", "1", 255 * values(1), compression="group4")
    yield Kind("TIFF", "grey, group4", 1, write, **holds(values(1), grey(values(1), 1)))
    write = partial(by_pillow, "TIFF", "L", SMOOTH, compression="jpeg", quality=100)
    yield Kind("TIFF", "grey, jpeg", 8, write, image=grey(SMOOTH, 8), word="lossy")
    rgb = {"photometric": "rgb"}
    yield Kind("TIFF", "RGB", 8, partial(tiff_of, RGB, **rgb), rgb=RGB, image=RGB)
    write = partial(tiff_of, np.moveaxis(RGB, 2, 0), planarconfig="separate", **rgb)
    yield Kind("TIFF", "RGB, by planes", 8, write, rgb=RGB, image=RGB)
    yield Kind("TIFF", "RGB", 16, partial(tiff_of, RGB_16, kind="uint16", **rgb), image=RGB_16 // 256, **HIGH)
    yield Kind("TIFF", "RGB, 12 bits in 16", 16, partial(tiff_of, RGB_16 // 16, kind="uint16", **rgb))
    four = np.concatenate([RGB, RGB[:, :, :1]], axis=2)
    yield Kind("TIFF", "RGB and a fourth band", 8, partial(tiff_of, four, extrasamples=[0], **rgb))
    yield Kind("TIFF", "CMYK", 8, partial(by_pillow, "TIFF", "CMYK", RGB))
    yield Kind("TIFF", "RGB, two pages", 8, partial(tiff_of, np.stack([RGB, RGB]), **rgb))


def of_jpeg_and_webp() -> Iterator[Kind]:
    lossy = {"image": grey(SMOOTH, 8), "word": "lossy"}
    yield Kind("JPEG", "grey", 8, partial(by_pillow, "JPEG", "L", SMOOTH, quality=100), **lossy)
    yield Kind("JPEG", "RGB", 8, partial(by_pillow, "JPEG", "RGB", SMOOTH, quality=100), **lossy)
    yield Kind("JPEG", "CMYK", 8, partial(by_pillow, "JPEG", "CMYK", SMOOTH))
    yield Kind("WebP", "RGB, lossless", 8, partial(by_pillow, "WEBP", "RGB", RGB, lossless=True), rgb=RGB, image=RGB)
    yield Kind("WebP", "RGB, lossy", 8, partial(by_pillow, "WEBP", "RGB", SMOOTH, quality=100), **lossy)
    transparent = np.concatenate([RGB, np.full((HEIGHT, WIDTH, 1), 200)], axis=2)
    yield Kind("WebP", "RGB, transparent alpha", 8, partial(by_pillow, "WEBP", "RGBA", transparent, lossless=True))


def without_orientation() -> Iterator[Kind]:
    """BMP, GIF and PNM: PBM, PGM and PPM."""
    for bits in (1, 4, 8):
        array = values(bits)
        shown = np.stack([np.full_like(array, 7), 255 - array, array], axis=2)  # stored as blue, green, red
        yield Kind("BMP", "palette", bits, plain(bmp_file(array, bits)), **holds(array, shown))
    five, rgb = RGB // 8, Image.fromarray(RGB.astype(np.uint8))
    yield Kind("BMP", "RGB", 5, plain(bmp_of_colours(five)), image=five * 255 // 31, **SCALED)
    yield Kind("BMP", "RGB", 8, plain(saved(rgb, "BMP")), rgb=RGB, image=RGB)
    shown = np.stack([LABELS, 255 - LABELS, np.full_like(LABELS, 7)], axis=2)
    yield Kind("GIF", "palette", 8, plain(gif_file(LABELS)), **holds(LABELS, shown))
    yield Kind("GIF", "two frames", 8, plain(saved(rgb, "GIF", save_all=True, append_images=[rgb.rotate(180)])))
    for digits, form in ((False, ""), (True, ", in digits")):
        shown = 255 - grey(values(1), 1)
        yield Kind("PNM", f"black is 1{form}", 1, plain(pbm_file(values(1), digits)), **holds(values(1), shown))
        for bits in (4, 8):
            array, content = values(bits), pgm_file(values(bits), 2**bits - 1, digits)
            yield Kind("PNM", f"grey{form}", bits, plain(content), **holds(array, grey(array, bits)))
    yield Kind("PNM", "grey", 16, plain(pgm_file(FULL, 65_535)), image=grey(FULL, 16), **SCALED)
    for bits in (4, 8, 12, 16):
        array = RGB_16 * (2**bits - 1) // 65_535
        content = f"P6 {WIDTH} {HEIGHT} {2**bits - 1}\n".encode() + array.astype("u1" if bits < 9 else ">u2").tobytes()
        read = (
            {"rgb": array, "image": array} if bits == 8 else {"image": np.rint(array * 255 / (2**bits - 1)), **SCALED}
        )
        yield Kind("PNM", "RGB", bits, plain(content), **read)


KINDS = (*of_png(), *of_tiff(), *of_jpeg_and_webp(), *without_orientation())
