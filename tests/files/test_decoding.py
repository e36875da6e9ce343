"""What a file says of itself before its pixels are decoded."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.files.decoding import Decoded, ImageError, decode, read_header, read_software, read_turned
from pipeline.files.images import read_image


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_told_is_that_of_the_upright_pixels(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.zeros((3, 5, 3), np.uint8)).save(path, exif=exif)
    decoded = decode(path)
    assert read_turned(path)[:2] == decoded.upright(np.asarray(decoded.image)).shape[:2]
    assert read_turned(path) == (*((3, 5) if orientation < 5 else (5, 3)), orientation)


def test_a_png_says_what_wrote_it(tmp_path):
    info = PngInfo()
    info.add_text("Software", "segnet 1")
    Image.new("L", (2, 2)).save(tmp_path / "ours.png", pnginfo=info)
    Image.new("L", (2, 2)).save(tmp_path / "other.png")
    Image.new("L", (2, 2)).save(tmp_path / "a.bmp")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    names = ("ours.png", "other.png", "a.bmp", "broken.png")
    assert [read_software(tmp_path / name) for name in names] == ["segnet 1", "", "", ""]


def test_colours_that_a_palette_lacks_are_black(tmp_path):
    image = Image.new("P", (2, 2))
    image.putpalette([1, 2, 3, 4, 5, 6])
    image.save(tmp_path / "a.png")
    Image.new("L", (2, 2)).save(tmp_path / "grey.png")
    assert decode(tmp_path / "a.png").palette == [(1, 2, 3), (4, 5, 6), *[(0, 0, 0)] * 254]
    assert decode(tmp_path / "grey.png").palette is None


@pytest.mark.parametrize(
    ("codec", "layout", "bits"),
    [("zip", "RGB", 8), ("zip", "I;16B", 16), ("raw", "L;4", 4), ("raw", "BGR;15", 5), ("ppm", "1023", 10)],
)
def test_the_bits_of_a_channel_are_those_of_the_layout(codec, layout, bits):
    image = Decoded(Image.new("L", (1, 1)), "L", codec, layout, 1, is_upright=True, is_lossy=False)
    assert image.channel_bits == bits


def test_a_broken_image_has_no_size(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match="expected an image"):
        read_turned(tmp_path / "a.png")


PRIMARY, VGA, FULL_HD, PANORAMA, STEREO, NO_KIND = 0x030000, 0x010001, 0x010002, 0x020001, 0x020002, 0  # CIPA DC-007


def camera_file(*images, **options):
    """Return a JPEG that holds images, (kind, height, width), of values 200, 100, ... as those of cameras do."""
    first, *others = [
        Image.fromarray(np.full((height, width, 3), 200 // i, np.uint8))
        for i, (_, height, width) in enumerate(images, 1)
    ]
    buffer = io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=others, **options)
    content = bytearray(buffer.getvalue())
    entries = re.search(
        rb"\x00\x00\x03\x00.{4}\x00{8}", content, re.DOTALL
    ).start()  # the first: its kind, size, and no offset
    for i, (kind, _, _) in enumerate(images):
        struct.pack_into("<L", content, entries + 16 * i, kind)
    return bytes(content)


@pytest.mark.parametrize(
    "previews",
    [
        [(VGA, 480, 640)],
        [(VGA, 480, 640), (FULL_HD, 1080, 1920)],
        [(NO_KIND, 10, 15)],
        [(VGA, 480, 640), (NO_KIND, 5, 7)],
    ],
)
def test_previews_within_a_cameras_file_are_no_frames(previews):
    exif = Image.Exif()
    exif[274] = 6
    content = camera_file((PRIMARY, 20, 30), *previews, exif=exif)
    assert read_header(content) == ("RGB", 20, 30)
    assert read_turned(content)[:2] == (30, 20)
    pixels = read_image(content)
    assert pixels.shape == (30, 20, 3)
    assert np.ptp(pixels) == 0
    assert abs(int(pixels[0, 0, 0]) - 200) < 3
    assert decode(content).is_lossy


@pytest.mark.parametrize(
    "images",
    [
        [(STEREO, 20, 30), (STEREO, 20, 30)],
        [(PRIMARY, 20, 30), (STEREO, 20, 30)],
        [(PANORAMA, 20, 30), (PANORAMA, 10, 15)],
        [(PRIMARY, 20, 30), (NO_KIND, 20, 30)],
        [(NO_KIND, 20, 30), (NO_KIND, 10, 15)],
        [(VGA, 20, 30), (VGA, 10, 15)],
    ],
)
def test_several_pictures_in_one_file_of_a_camera_are_refused(images):
    with pytest.raises(ImageError, match="expected a single image, got 2 frames or pages; save the one that counts"):
        decode(camera_file(*images))


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 20])
def test_previews_that_a_tool_has_cut_off_are_no_frames(kept):
    content = camera_file((PRIMARY, 20, 30), (VGA, 480, 640), (NO_KIND, 5, 7))
    starts = [found.start() for found in re.finditer(rb"\xff\xd8\xff", content)]
    assert len(starts) == 3
    for start in starts[1:]:
        pixels = read_image(content[: start + kept])
        assert pixels.shape == (20, 30, 3)
        assert (read_image(content) == pixels).all()


def test_a_cameras_file_that_ends_within_its_picture_is_broken():
    content = camera_file((PRIMARY, 200, 300), (VGA, 480, 640))
    with pytest.raises(ImageError, match="expected a complete image file"):
        decode(content[:1000])
