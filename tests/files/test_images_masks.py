"""Labels are read as they are stored, or refused: against files built byte by byte, and other libraries' writers."""

import io
import struct

import numpy as np
import png
import pytest
import tifffile
from PIL import Image

from pipeline.files.images import ImageError, read_colours, read_image, read_mask

HEIGHT, WIDTH = 5, 16


def values(bits):
    """Values of which the first are 0, 1 and the highest of so many bits, but at most 255."""
    highest = min(2**bits, 256) - 1
    array = np.random.default_rng(bits).integers(0, highest + 1, (HEIGHT, WIDTH))
    array[0, :3] = 0, 1, highest
    return array


def packed(array, bits):
    """The rows of an array as bytes, the first value in the highest bits."""
    if bits >= 8:
        return array.astype(f"<u{bits // 8}").tobytes()
    per = 8 // bits
    groups = array.reshape(len(array), -1, per)
    weights = 1 << (8 - bits * (1 + np.arange(per)))
    return (groups * weights).sum(axis=2).astype(np.uint8).tobytes()


def png_file(array, bits, kind):
    options = {"grey": {"greyscale": True}, "palette": {"palette": [(9 * i % 256, i, 7) for i in range(2**bits)]}}
    buffer = io.BytesIO()
    png.Writer(WIDTH, HEIGHT, bitdepth=bits, **options[kind]).write(buffer, array.tolist())
    return buffer.getvalue()


def tiff_file(array, bits, photometric, orientation=1, rows=None):
    """A TIFF of one uncompressed strip, written tag by tag (TIFF 6.0, section 2)."""
    rows = packed(array, bits) if rows is None else rows
    height, width = array.shape
    fields = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 274: orientation, 277: 1, 278: height}
    palette = photometric == 3
    entries = len(fields) + 2 + palette
    offset = 8 + 2 + 12 * entries + 4
    colours = struct.pack(f"<{3 * 2**bits}H", *range(3 * 2**bits)) if palette else b""
    tags = [struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in fields.items()]
    tags.insert(6, struct.pack("<HHII", 273, 4, 1, offset + len(colours)))
    tags.append(struct.pack("<HHII", 279, 4, 1, len(rows)))
    if palette:
        tags.append(struct.pack("<HHII", 320, 3, 3 * 2**bits, offset))
    return b"II*\0" + struct.pack("<IH", 8, entries) + b"".join(tags) + bytes(4) + colours + rows


def bmp_file(array, bits):
    """A BMP with a palette that is not grey: its rows are stored from below, padded to four bytes."""
    rows = packed(np.pad(array[::-1], ((0, 0), (0, -WIDTH * bits % 32 // bits))), bits)
    palette = b"".join(bytes((i, 255 - i, 7, 0)) for i in range(2**bits))
    start = 54 + len(palette)
    head = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, bits, 0, len(rows), 0, 0, 2**bits, 0)
    return head + info + palette + rows


def gif_file(array):
    """A GIF whose LZW stream clears its table before a code would take more than nine bits (GIF89a, appendix F)."""
    codes = [code for i, value in enumerate(array.reshape(-1).tolist()) for code in ([256] * (i % 200 == 0) + [value])]
    bits = "".join(f"{code:09b}"[::-1] for code in [*codes, 257])
    stream = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(part)]) + part for part in (stream[i : i + 255] for i in range(0, len(stream), 255)))
    palette = bytes(v for i in range(256) for v in (i, 255 - i, 7))
    head = b"GIF89a" + struct.pack("<HHBBB", WIDTH, HEIGHT, 0xF7, 0, 0) + palette
    return head + struct.pack("<cHHHHB", b",", 0, 0, WIDTH, HEIGHT, 0) + b"\x08" + blocks + b"\0;"


def pgm_file(array, highest, plain=False):
    body = " ".join(map(str, array.reshape(-1))).encode() if plain else array.astype(">u2" if highest > 255 else "u1")
    return f"P{2 if plain else 5} {WIDTH} {HEIGHT} {highest}\n".encode() + bytes(body)


def pbm_file(array, plain=False):
    body = " ".join(map(str, array.reshape(-1))).encode() if plain else packed(array, 1)
    return f"P{1 if plain else 4} {WIDTH} {HEIGHT}\n".encode() + body


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff_of(array):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array)
    return buffer.getvalue()


EXACT = {
    **{f"PNG, grey, {bits} bit": (bits, png_file(values(bits), bits, "grey")) for bits in (1, 2, 4, 8, 16)},
    **{f"PNG, palette, {bits} bit": (bits, png_file(values(bits), bits, "palette")) for bits in (1, 2, 4, 8)},
    **{f"TIFF, black is 0, {bits} bit": (bits, tiff_file(values(bits), bits, 1)) for bits in (1, 2, 4, 8, 16, 32)},
    **{f"TIFF, white is 0, {bits} bit": (bits, tiff_file(values(bits), bits, 0)) for bits in (1, 2, 4, 8, 16)},
    **{f"TIFF, palette, {bits} bit": (bits, tiff_file(values(bits), bits, 3)) for bits in (1, 2, 4, 8)},
    **{f"BMP, palette, {bits} bit": (bits, bmp_file(values(bits), bits)) for bits in (1, 4, 8)},
    "GIF, palette, 8 bit": (8, gif_file(values(8))),
    **{f"PGM up to {highest}": (4, pgm_file(values(4), highest)) for highest in (15, 20, 255, 300, 65_535)},
    "TIFF, signed 8 bit": (7, tiff_of(values(7).astype(np.int8))),
    "PGM in digits, up to 15": (4, pgm_file(values(4), 15, plain=True)),
    "PBM, 1 bit": (1, pbm_file(values(1))),
    "PBM in digits, 1 bit": (1, pbm_file(values(1), plain=True)),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_mask_holds_the_stored_values(name):
    bits, content = EXACT[name]
    assert read_mask(content).tolist() == values(bits).tolist()


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_a_mask_that_tifffile_or_pillow_wrote_holds_what_tifffile_reads(compression, photometric, tmp_path):
    path, array = tmp_path / "a.tif", values(8).astype(np.uint8)
    if compression in (None, "zlib"):
        tifffile.imwrite(path, array, photometric=photometric, compression=compression)
    else:  # by libtiff; Pillow would write black as 0
        names = {"lzw": "tiff_lzw", "packbits": "packbits"}
        Image.fromarray(array).save(path, compression=names[compression])
    assert read_mask(path).tolist() == array.tolist()


def rgb(mode="RGB"):
    return Image.fromarray(np.zeros((4, 4, 3), np.uint8)).convert(mode)


GREY = Image.fromarray(values(4).astype(np.uint8))
REFUSED = {
    "JPEG": (saved(GREY, "JPEG"), "expected a mask in lossless compression, got JPEG that changes labels"),
    "TIFF in JPEG": (saved(GREY, "TIFF", compression="jpeg"), "expected a mask in lossless compression, got TIFF"),
    "lossy WebP": (saved(rgb(), "WEBP"), "expected a mask in lossless compression, got WEBP"),
    "lossless WebP": (saved(rgb(), "WEBP", lossless=True), r"expected an index mask of one channel, got 3 \(RGB\)"),
    "RGB": (saved(rgb(), "PNG"), r"expected an index mask of one channel, got 3 \(RGB\); is it a colour mask"),
    "grey and alpha": (saved(GREY.convert("LA"), "PNG"), r"expected an index mask of one channel, got 2 \(LA\)"),
    "a value over 255": (pgm_file(values(4) * 20, 300), r"expected mask values 0\.\.255, got 0\.\.300; renumber"),
    "a negative value": (
        saved(Image.fromarray(np.full((2, 2), -1, np.int32)), "TIFF"),
        r"expected mask values 0\.\.255, got -1\.\.-1; renumber the classes",
    ),
    "a negative value in 8 bits": (tiff_of(np.full((2, 2), -1, np.int8)), r"got -1\.\.-1; renumber the classes"),
    "real numbers": (saved(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF"), r"got 1 \(F\)"),
    "two frames": (
        saved(GREY, "GIF", save_all=True, append_images=[Image.new("L", GREY.size, 3)]),
        "expected a single image, got 2 frames or pages; save the one that counts alone",
    ),
    "two pages": (
        saved(GREY, "TIFF", save_all=True, append_images=[GREY]),
        "expected a single image, got 2 frames or pages",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exact_is_refused_with_the_reason(name):
    content, reason = REFUSED[name]
    with pytest.raises(ImageError, match=reason):
        read_mask(content)


COLOURS = [[[1, 2, 3], [4, 5, 6]]]
COLOUR_FILES = {
    "PNG": saved(Image.fromarray(np.array(COLOURS, np.uint8)), "PNG"),
    "BMP": saved(Image.fromarray(np.array(COLOURS, np.uint8)), "BMP"),
    "TIFF": saved(Image.fromarray(np.array(COLOURS, np.uint8)), "TIFF"),
    "PPM": saved(Image.fromarray(np.array(COLOURS, np.uint8)), "PPM"),
    "lossless WebP": saved(Image.fromarray(np.array(COLOURS, np.uint8)), "WEBP", lossless=True, exact=True),
    "palette": saved(Image.fromarray(np.array(COLOURS, np.uint8)).convert("P", palette=1), "PNG"),
    "opaque alpha": saved(Image.fromarray(np.array(COLOURS, np.uint8)).convert("RGBA"), "PNG"),
}


@pytest.mark.parametrize("name", COLOUR_FILES)
def test_a_colour_mask_holds_the_stored_colours(name):
    assert read_colours(COLOUR_FILES[name]).tolist() == COLOURS


def wide_png():
    buffer = io.BytesIO()
    png.Writer(2, 1, bitdepth=16, greyscale=False).write(buffer, [[300, 0, 65_535, 1, 2, 3]])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (saved(rgb(), "JPEG"), "expected a mask in lossless compression, got JPEG"),
        (saved(rgb(), "WEBP"), "expected a mask in lossless compression, got WEBP"),
        (wide_png(), "expected a colour mask of 8 bits per channel, got 16"),
        (saved(Image.new("RGBA", (2, 2), (1, 2, 3, 9)), "PNG"), "expected an opaque colour mask"),
        (saved(rgb("CMYK"), "TIFF"), "expected a colour mask in RGB, got mode CMYK"),
    ],
)
def test_a_colour_mask_that_cannot_be_exact_is_refused(content, reason):
    with pytest.raises(ImageError, match=reason):
        read_colours(content)


# How a stored array is turned so that it is upright, for each EXIF orientation (Exif 2.32, tag 274).
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "TIFF"])
def test_images_and_masks_obey_the_orientation_alike(kind, orientation):
    array = np.array([[10, 20, 30], [200, 210, 220]], np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    grey = saved(Image.fromarray(array), kind, exif=exif, **options)
    coloured = saved(Image.fromarray(np.stack([array] * 3, axis=2)), kind, exif=exif, **options)
    expected = UPRIGHT[orientation](array)
    assert np.abs(read_image(coloured)[:, :, 0].astype(int) - expected).max() <= (4 if kind == "JPEG" else 0)
    if kind in ("PNG", "TIFF"):
        assert read_mask(grey).tolist() == expected.tolist()
    if kind != "JPEG":
        assert read_colours(coloured)[:, :, 0].tolist() == expected.tolist()


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_tiff_mask_of_any_depth_is_turned(bits, orientation):
    content = tiff_file(values(bits), bits, 1, orientation)
    assert read_mask(content).tolist() == UPRIGHT[orientation](values(bits)).tolist()
