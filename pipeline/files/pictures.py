"""Pictures of images and masks inside a page, as data URIs: a page is one file that needs no network."""

import base64
import io

from PIL import Image

from pipeline.core.arrays import Pixels
from pipeline.core.classes import ClassTable
from pipeline.files import images


def overlay(image: Pixels, mask: Pixels, classes: ClassTable) -> Pixels:
    """Return an image (H, W, 3) with its mask (H, W) laid over it, each in half strength, (H, W, 3) uint8."""
    return image // 2 + classes.palette()[mask] // 2


def size_within(pixels: Pixels, box: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of an image (H, W, ...) shrunk to fit into a box (height, width); a small one keeps its.

    Example:
        >>> import numpy as np
        >>> size_within(np.empty((100, 400, 3)), (50, 100)), size_within(np.empty((10, 20)), (50, 100))
        ((25, 100), (10, 20))
    """
    height, width = pixels.shape[:2]
    scale = min(1, box[0] / height, box[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def jpeg_uri(pixels: Pixels, box: tuple[int, int]) -> str:
    """Return an image (H, W, 3), shrunk to fit into a box (height, width), as a JPEG in a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(images.resize_image(pixels, size_within(pixels, box))).save(buffer, "JPEG", quality=80)
    return _data_uri("jpeg", buffer.getvalue())


def png_uri(pixels: Pixels) -> str:
    """Return an image (H, W, 3) as a PNG in a data URI, without losses."""
    return _data_uri("png", images.encode_png(pixels))


def overlay_uri(image: Pixels, mask: Pixels, classes: ClassTable, box: tuple[int, int]) -> str:
    """Return an image with its mask laid over it, shrunk to fit into a box (height, width)."""
    size = size_within(image, box)
    return jpeg_uri(overlay(images.resize_image(image, size), images.resize_mask(mask, size), classes), box)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
