"""What a file says of itself before its pixels are decoded."""

import numpy as np
import pytest
from PIL import Image

from pipeline.files.decoding import ImageError, decode, read_size


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_told_is_that_of_the_upright_pixels(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.zeros((3, 5, 3), np.uint8)).save(path, exif=exif)
    decoded = decode(path)
    assert read_size(path) == decoded.upright(np.asarray(decoded.image)).shape[:2]
    assert read_size(path) == ((3, 5) if orientation < 5 else (5, 3))


def test_a_broken_image_has_no_size(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match="expected an image"):
        read_size(tmp_path / "a.png")
