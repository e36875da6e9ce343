import io

import numpy as np
import png
import pytest
import tifffile
from PIL import Image

from pipeline.files import decoding, images
from pipeline.files.images import ImageError, read_mask


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def image_of(values, mode=None):
    """Return an image with the given pixel values; `mode` names one that Pillow would not guess."""
    image = Image.fromarray(np.asarray(values, np.uint8))
    return image if mode is None else image.convert(mode)


RGB = [[[1, 2, 3], [4, 5, 6]]]


def test_rgb_is_read_as_it_is(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(image_of(RGB)))

    pixels = images.read_image(tmp_path / "a.png")

    assert pixels.dtype == np.uint8
    assert pixels.tolist() == RGB
    assert images.read_image((tmp_path / "a.png").read_bytes()).tolist() == RGB


def test_grey_is_repeated_in_three_channels():
    assert images.read_image(encoded(image_of([[0, 7]]))).tolist() == [[[0, 0, 0], [7, 7, 7]]]


def test_a_palette_image_is_read_by_its_colours():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)

    assert images.read_image(encoded(image)).tolist() == [[[10, 20, 30], [40, 50, 60]]]


def png_16(values):
    buffer = io.BytesIO()
    height, width, _ = values.shape
    png.Writer(width, height, bitdepth=16, greyscale=False).write(buffer, values.reshape(height, -1).tolist())
    return buffer.getvalue()


def tiff_16(values):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="rgb")
    return buffer.getvalue()


def ppm_16(values):
    height, width, _ = values.shape
    return f"P6 {width} {height} 65535 ".encode() + values.astype(">u2").tobytes()


COLOURS_16 = {"PNG": png_16, "TIFF": tiff_16, "PPM": ppm_16}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_to_8_bits(kind):
    image = Image.fromarray(np.array([[0, 128, 129, 257, 65_535]], np.uint16))

    pixels = images.read_image(encoded(image, kind))

    assert pixels[0, :, 0].tolist() == [0, 0, 1, 1, 255]  # nearest of value / 257
    assert pixels.shape == (1, 5, 3)


@pytest.mark.parametrize(("kind", "layout"), [("int8", "L;8S"), ("int16", "I;16S"), ("int32", "I;32S")])
def test_grey_whose_white_is_unknown_is_refused(kind, layout, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 100]], kind))

    with pytest.raises(ImageError, match=f"expected unsigned grey of up to 16 bits, got {layout}, whose white is unkn"):
        images.read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("highest", [0, 255, 4095])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_colours_of_few_bits_in_16_are_refused(kind, highest, tmp_path):
    content = COLOURS_16[kind](np.full((1, 2, 3), highest, np.uint16))
    with pytest.raises(ImageError, match=r"got 0..(0|1|15|16) of 255 in 8 bits, as of a 12-bit camera: it would be"):
        images.read_image(content)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_colours_keep_the_high_byte(kind):
    pixels = images.read_image(COLOURS_16[kind](np.array([[[65_535, 255, 257]]], np.uint16)))
    assert pixels.tolist() == [[[255, int(kind == "PPM"), 1]]]  # Pillow scales PPM: nearest of value / 257


def test_ppm_says_itself_what_white_is():
    content = b"P6 1 1 4095 " + np.array([4095, 2048, 16], ">u2").tobytes()
    assert images.read_image(content).tolist() == [[[255, 128, 1]]]


def test_an_opaque_alpha_channel_is_dropped():
    assert images.read_image(encoded(image_of([[[1, 2, 3, 255]]]))).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(
    "image",
    [
        encoded(image_of([[[1, 2, 3, 254]]])),
        encoded(image_of([[5]]), transparency=5),
        encoded(Image.fromarray(np.array([[300]], np.uint16)), transparency=300),
    ],
    ids=["RGBA", "transparent grey value", "transparent 16-bit grey value"],
)
def test_a_transparent_image_is_refused(image):
    with pytest.raises(ImageError, match="expected an opaque image, got transparent pixels; flatten it"):
        images.read_image(image)


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("F", "TIFF"), ("LAB", "TIFF")])
def test_a_mode_without_one_reading_as_rgb_is_refused(mode, kind):
    with pytest.raises(ImageError, match=f"expected a grey, RGB or palette image, got mode {mode}; convert it to RGB"):
        images.read_image(encoded(Image.new(mode, (2, 2)), kind))


def test_an_image_taller_than_a_strip_is_read_completely():
    rows = np.arange(2_500) % 251
    image = image_of(np.broadcast_to(rows[:, None, None], (2_500, 3, 3)))

    assert (images.read_image(encoded(image)) == rows[:, None, None]).all()


def test_the_header_gives_mode_height_and_width():
    assert images.read_header(encoded(image_of([[1, 2, 3]]))) == ("L", 1, 3)


def test_a_truncated_image_is_refused():
    complete = encoded(image_of(np.random.default_rng(0).integers(0, 256, (40, 40, 3))))

    with pytest.raises(ImageError, match=r"expected a complete image file: .*truncated"):
        images.read_image(complete[:2_000])


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_what_is_not_an_image_is_refused(content):
    with pytest.raises(ImageError, match=r"expected an image \(PNG, JPEG, .*\), got another format or"):
        images.read_image(content)


def test_an_image_over_the_limit_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 5)

    with pytest.raises(ImageError, match="expected 1 to 5 pixels, got 3 x 2; cut it into parts"):
        images.read_header(encoded(image_of([[1, 2, 3], [4, 5, 6]])))


EXTRA = {
    "four channels": (np.zeros((4, 5, 4), np.uint8), {"photometric": "rgb", "extrasamples": [0]}, 4),
    "five channels": (np.zeros((4, 5, 5), np.uint8), {"photometric": "rgb", "extrasamples": [0, 0]}, 5),
    "grey and another": (np.zeros((4, 5, 2), np.uint8), {"photometric": "minisblack", "extrasamples": [0]}, 2),
}


@pytest.mark.parametrize("name", EXTRA)
def test_more_channels_than_rgb_are_refused(name, tmp_path):
    array, options, bands = EXTRA[name]
    tifffile.imwrite(tmp_path / "a.tif", array, planarconfig="contig", **options)
    with pytest.raises(ImageError, match=f"got {bands} channels, of which only|got mode"):
        images.read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_more_than_one_frame_or_page_is_refused(kind):
    frames = [image_of(np.full((4, 4, 3), value)) for value in (0, 200)]
    with pytest.raises(ImageError, match="expected a single image, got 2 frames or pages; save the one that counts"):
        images.read_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize(("highest", "bits"), [(1, 1), (255, 8), (1023, 10), (4095, 12)])
def test_grey_of_few_bits_in_16_is_refused(highest, bits):
    image = Image.fromarray(np.array([[0, highest]], np.uint16))
    with pytest.raises(ImageError, match=f"got values up to {highest}, as of a {bits}-bit camera: it would be nearly"):
        images.read_image(encoded(image))
    assert images.read_image(encoded(Image.fromarray(np.zeros((1, 2), np.uint16)))).max() == 0  # black is black


def test_a_png_holds_exactly_the_pixels_given():
    assert images.read_image(images.encode_png(np.array(RGB, np.uint8))).tolist() == RGB
    assert read_mask(images.encode_png(np.array([[3, 4]], np.uint8))).tolist() == [[3, 4]]


def test_grey_is_the_luma_of_bt_601():
    grey = images.to_grey(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8))

    assert grey.tolist() == [[76, 150, 29]]  # 0.299, 0.587, 0.114 of 255


def test_the_histogram_counts_every_value():
    counts = images.histogram(np.array([[0, 255, 255], [3, 0, 255]], np.uint8))

    assert counts.dtype == np.int64
    assert {int(v): int(counts[v]) for v in np.flatnonzero(counts)} == {0: 2, 3: 1, 255: 3}


def test_shrinking_takes_the_mean_of_the_pixels_covered():
    assert images.shrink_grey(np.array([[0, 10], [20, 30]], np.uint8), (1, 1)).tolist() == [[15]]


def test_a_resized_image_has_the_size_asked_for_and_the_same_flat_colour():
    flat = np.full((4, 6, 3), 9, np.uint8)

    resized = images.resize_image(flat, (2, 3))

    assert resized.shape == (2, 3, 3)
    assert (resized == 9).all()


def test_a_resized_mask_invents_no_label():
    mask = np.array([[0, 0, 9, 9], [0, 0, 9, 9]], np.uint8)

    assert images.resize_mask(mask, (1, 2)).tolist() == [[0, 9]]
    assert set(np.unique(images.resize_mask(mask, (5, 7)))) == {0, 9}


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("read", [images.read_header, images.read_image, read_mask])
def test_a_format_that_pillow_passes_to_another_program_is_not_opened(read):
    with pytest.raises(ImageError, match="got another format or a broken header"):
        read(EPS)


def test_a_header_that_is_not_a_number_is_refused():
    with pytest.raises(ImageError, match="expected a complete image file: invalid literal for int"):
        read_mask(b"P6\n8 8\n\xff\xfe\xab\xd4U D\x00")
