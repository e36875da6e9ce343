"""An image that is refused is still shown to people."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.files import images
from pipeline.files.images import ImageError
from tests.support.image_files import HEIGHT, WIDTH, saved
from tests.support.image_kinds import KINDS


@pytest.mark.parametrize("kind", KINDS, ids=[f"{k.format} {k.colours} {k.bits}" for k in KINDS])
def test_every_kind_of_file_has_a_preview_also_those_that_are_refused(kind):
    pixels = images.read_preview(kind.write(1))
    assert (pixels.shape, pixels.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)


def test_the_first_frame_and_the_first_three_channels_are_shown():
    frames = [Image.new("RGB", (3, 2), colour) for colour in ((1, 2, 3), (9, 9, 9))]
    assert (images.read_preview(saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])) == (1, 2, 3)).all()
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.full((2, 3, 4), (1, 2, 3, 4), np.uint8), photometric="rgb", extrasamples=[0])
    assert (images.read_preview(buffer.getvalue()) == (1, 2, 3)).all()


def test_values_of_more_than_8_bits_are_stretched():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.array([[1000, 1300, 1500]], np.uint16))
    assert images.read_preview(buffer.getvalue())[0, :, 0].tolist() == [0, 153, 255]
    assert images.read_preview(saved(Image.new("F", (1, 1), 0.5), "TIFF")).tolist() == [[[0, 0, 0]]]


def test_what_cannot_be_decoded_has_none():
    with pytest.raises(ImageError, match="expected an image"):
        images.read_preview(b"broken")
