"""Image files built byte by byte, or by other libraries than the one that the pipeline reads them with."""

import io
import struct

import numpy as np
import png
import tifffile

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


def grey_bmp_file(array, bits, greys):
    """A BMP with a palette of greys, which has as many colours as it needs."""
    content, start = bmp_file(array, bits), 54 + 4 * 2**bits
    palette = b"".join(bytes((grey, grey, grey, 0)) for grey in greys)
    size = struct.pack("<I", 54 + len(palette))
    return (
        content[:10]
        + size
        + content[14:46]
        + struct.pack("<I", len(greys))
        + content[50:54]
        + palette
        + content[start:]
    )


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
