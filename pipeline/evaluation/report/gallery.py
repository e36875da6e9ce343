"""The test images as the evaluation page shows them: each as five small layers, the worst image first."""

import base64
import io
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core import metrics
from pipeline.core.arrays import Counts, Pixels
from pipeline.core.classes import ClassTable
from pipeline.core.metrics import Scores
from pipeline.evaluation.report.selection import MOST_OF_CLASSES, MOST_WORST, Selection
from pipeline.files import images

Layer = Literal["photo", "truth", "prediction", "error", "uncertainty"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
LONGEST_SIDE = 480
"""Pixels that an image is shown in at most."""
MIN_CHARACTERS = 2_000
"""No image needs more once it is shrunk to a pixel."""

# Both are nearly as bright as white and drawn on a dimmed photo: they stand out even without colour vision.
WRONG = (255, 214, 10)
UNSURE = (125, 240, 255)
_LEVELS = 16  # of uncertainty: two pixels then share a byte before compression
_QUALITIES = (80, 55, 30)  # of WebP's 0..100; then the image is shrunk, which looks better than even lower ones
_SHRINK = 0.8


@dataclass(frozen=True)
class Picture:
    """One test image, possibly shrunk, as WebP files; all but the photo are lossless."""

    height: int
    """Pixels of every layer but uncertainty, which has half as many in each direction."""
    width: int
    layers: dict[Layer, bytes]

    @property
    def characters(self) -> int:
        """Return the total length of all layers in base64."""
        return sum((len(layer) + 2) // 3 * 4 for layer in self.layers.values())


def encode(
    image: Pixels,
    truth: Pixels,
    prediction: Pixels,
    *,
    uncertainty: npt.NDArray[np.float32],
    classes: ClassTable,
    max_characters: int,
) -> Picture:
    """Return an image's layers, at the best quality and size that `max_characters` of base64 allow.

    A larger image is shrunk to LONGEST_SIDE. Truth and prediction are in the classes' colours. Error is WRONG where the
    shown prediction differs from the shown truth, and transparent where they agree or the truth is void. Uncertainty is
    UNSURE, more opaque where higher.

    Args:
        image: (H, W, 3) uint8, RGB.
        truth: (H, W) uint8, 0..C-1, or C for void.
        prediction: (H, W) uint8, 0..C-1.
        uncertainty: (H, W), in [0, 1].
        classes: the C classes.
        max_characters: of all layers together, at least MIN_CHARACTERS.

    Raises:
        ValueError: the shapes differ, an uncertainty is not in [0, 1], or `max_characters` is too small.
    """
    _check(image, (truth, prediction, uncertainty), max_characters)
    uncertainty_255 = (uncertainty * 255).round().astype(np.uint8)
    scale = min(1, LONGEST_SIDE / max(truth.shape))
    while True:
        size = max(1, round(truth.shape[0] * scale)), max(1, round(truth.shape[1] * scale))
        masks = images.resize_mask(truth, size), images.resize_mask(prediction, size)
        layers = _lossless(*masks, uncertainty_255, classes)
        photo = images.resize_image(image, size)
        for quality in _QUALITIES:
            # Method 2: a photo is 3 % larger than with the default of 4, and written in less than half the time.
            picture = Picture(*size, {**layers, "photo": _webp(photo, quality=quality, method=2)})
            if picture.characters <= max_characters:
                return picture
        scale *= _SHRINK


def _check(image: Pixels, others: tuple[npt.NDArray[Any], ...], max_characters: int) -> None:
    shapes = [other.shape for other in others]
    if image.shape[2:] != (3,) or any(shape != image.shape[:2] for shape in shapes):
        raise ValueError(
            "expected an image (H, W, 3) and truth, prediction and uncertainty (H, W), got "
            f"{image.shape}, {', '.join(map(str, shapes))}; pass all at the image's size"
        )
    lowest, highest = others[-1].min(), others[-1].max()
    if not 0 <= lowest <= highest <= 1:  # NaN is neither
        raise ValueError(f"expected uncertainties in [0, 1], got {lowest:g}..{highest:g}; scale them")
    if max_characters < MIN_CHARACTERS:
        raise ValueError(
            f"expected at least {MIN_CHARACTERS:,} characters per image, got {max_characters:,}; show fewer images"
        )


def _lossless(truth: Pixels, prediction: Pixels, uncertainty: Pixels, classes: ClassTable) -> dict[Layer, bytes]:
    """Return all layers but the photo, from masks of the final size and the full-size uncertainty, 0..255."""
    height, width = truth.shape
    half = images.shrink_grey(uncertainty, ((height + 1) // 2, (width + 1) // 2))
    wrong = (truth != prediction) & (truth != classes.void)
    levels = (half * ((_LEVELS - 1) / 255)).round() / (_LEVELS - 1)
    palette = classes.palette()
    layers: dict[Layer, Pixels] = {
        "truth": palette[truth],
        "prediction": palette[prediction],
        "error": _tint(wrong.astype(np.float64), WRONG),
        "uncertainty": _tint(levels, UNSURE),
    }
    # Exact: transparent pixels keep their colour, so that there is only one. Half the bytes of a PNG.
    return {name: _webp(pixels, lossless=True, exact=True, method=2) for name, pixels in layers.items()}


def _tint(opacity: npt.NDArray[np.float64], colour: tuple[int, int, int]) -> Pixels:
    """Return `colour` at an opacity (H, W) in [0, 1] as RGBA, (H, W, 4) uint8."""
    pixels = np.empty((*opacity.shape, 4), np.uint8)
    pixels[..., :3] = colour
    pixels[..., 3] = (opacity * 255).round()
    return pixels


def _webp(pixels: Pixels, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", **options)
    return buffer.getvalue()


@dataclass(frozen=True)
class GalleryImage:
    """A test image and how well it was segmented."""

    image_id: str
    picture: Picture
    scores: Scores
    present: tuple[int, ...]
    """The classes in its truth."""

    def tree(self) -> dict[str, Any]:
        """Return the entry as plain JSON; an undefined score is null."""
        encoded = {name: base64.b64encode(layer).decode("ascii") for name, layer in self.picture.layers.items()}
        return {
            "id": self.image_id,
            "height": self.picture.height,
            "width": self.picture.width,
            "miou": _number(self.scores.miou),
            "accuracy": _number(self.scores.global_accuracy),
            "ious": [_number(iou) for iou in self.scores.class_ious],
            "present": self.present,
            "layers": encoded,
        }


def budget(num_images: int) -> int:
    """Return the characters available to each image that is shown, so that the page stays below 15 MB."""
    return min(60_000, 14_000_000 // max(1, min(num_images, MOST_WORST + MOST_OF_CLASSES)))


class Gallery:
    """Collects the test images one by one; small layers are made and held of those alone that the page may show."""

    def __init__(
        self,
        classes: ClassTable,
        *,
        max_characters: int,
        selection: Selection | None = None,
    ) -> None:
        """Create an empty gallery.

        Args:
            classes: those of the masks.
            max_characters: available to each image on the page; 233 images of 60,000 make 14 MB.
            selection: decides which images are shown; None: the page's 700 worst ones, and 300 for the classes.
        """
        self._classes, self._max_characters = classes, max_characters
        self._selection = selection or Selection(len(classes))
        self._entries: dict[str, GalleryImage] = {}

    @property
    def choice(self) -> str:
        """Return in words which images are shown, "" if all are."""
        return self._selection.described()

    def add(
        self,
        image_id: str,
        image: Pixels,
        truth: Pixels,
        prediction: Pixels,
        *,
        uncertainty: npt.NDArray[np.float32],
        counts_CC: Counts,
    ) -> None:
        """Add a test image, under a new id: `encode`'s arguments, and its confusion matrix at full size, (C, C) int64.

        Raises:
            ValueError: as in `encode`, or the matrix has another shape.
        """
        num_classes = len(self._classes)
        if counts_CC.shape != (num_classes, num_classes):
            raise ValueError(
                f"{image_id}: expected counts of {num_classes} x {num_classes} classes, got {counts_CC.shape}; "
                "count with the gallery's classes"
            )
        scores, present = metrics.scores(counts_CC), tuple(np.flatnonzero(counts_CC.sum(axis=1)).tolist())
        is_shown, dropped = self._selection.offer(image_id, scores, present)
        for name in dropped:
            del self._entries[name]
        if not is_shown:
            return
        picture = encode(
            image,
            truth,
            prediction,
            uncertainty=uncertainty,
            classes=self._classes,
            max_characters=self._max_characters,
        )
        self._entries[image_id] = GalleryImage(image_id, picture, scores, present)

    def worst_first(self) -> list[GalleryImage]:
        """Return the images by ascending mIoU, then by id; those without mIoU come last."""
        return sorted(
            self._entries.values(),
            key=lambda e: (np.isnan(e.scores.miou), np.nan_to_num(e.scores.miou), e.image_id),
        )


def _number(value: float) -> float | None:
    """Return the value with four digits, more than the page shows; None for NaN."""
    return None if np.isnan(value) else round(float(value), 4)
