"""Labels are read as they are stored, or refused: against files built byte by byte, and other libraries' writers."""

import io
import struct

import numpy as np
import png
import pytest
import tifffile
from PIL import Image

from pipeline.files.images import ImageError, decode, read_colours, read_image, read_mask
from tests.support.image_files import (
    UPRIGHT,
    bmp_file,
    gif_file,
    grey_bmp_file,
    pbm_file,
    pgm_file,
    png_file,
    saved,
    tiff_file,
    tiff_of,
    values,
)

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
    "TIFF, 32-bit floating point": (8, tiff_of(values(8).astype(np.float32))),
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


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("greys", [(0, 255), (0,), tuple(range(5)), tuple(range(16))], ids=len)
def test_a_bmp_whose_palette_is_grey_holds_the_stored_values_and_shows_the_palettes(bits, greys):
    """Pillow takes pixels of 4 and 8 bits for such of 1 bit, or those of 4 for such of 8."""
    stored = values(4) % len(greys)
    content = grey_bmp_file(stored, bits, greys)
    assert read_mask(content).tolist() == stored.tolist()
    shown = np.array(greys, np.uint8)[stored][..., None].repeat(3, axis=2)
    assert np.array_equal(read_colours(content), shown)
    assert np.array_equal(read_image(content), shown)


def test_a_bmp_in_runs_whose_palette_is_black_and_white_holds_the_stored_values():
    rows = ((1, 1, 0, 1), (0, 0, 1, 0))
    runs = b"".join(bytes(byte for value in row for byte in (1, value)) + b"\0\0" for row in reversed(rows)) + b"\0\1"
    palette = bytes((0, 0, 0, 0, 255, 255, 255, 0))
    head = struct.pack("<2sIHHI", b"BM", 62 + len(runs), 0, 0, 62)
    info = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(runs), 0, 0, 2, 0)
    assert read_mask(head + info + palette + runs).tolist() == [list(row) for row in rows]


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
    "numbers that are not whole": (
        tiff_of(np.array([[1, 0.5]], np.float32)),
        r"expected whole mask values, got 0\.5; write the number of its class for each pixel",
    ),
    "no numbers": (tiff_of(np.array([[1, np.nan]], np.float32)), r"expected whole mask values, got nan"),
    "a whole number over 255": (
        tiff_of(np.array([[1, 256]], np.float32)),
        r"expected mask values 0\.\.255, got 1\.\.256",
    ),
    "a negative whole number": (
        tiff_of(np.array([[-1, 2]], np.float32)),
        r"expected mask values 0\.\.255, got -1\.\.2",
    ),
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
    assert decode(coloured).orientation == orientation


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_tiff_mask_of_any_depth_is_turned(bits, orientation):
    content = tiff_file(values(bits), bits, 1, orientation)
    assert read_mask(content).tolist() == UPRIGHT[orientation](values(bits)).tolist()
