"""reports/validation.html: the verdict on a data set as one self-contained page, with thumbnails of the offenders."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.manifest import SPLITS, Rows
from pipeline.artifacts.raw_files import RawFiles
from pipeline.artifacts.validation import Finding, Offender, Validation
from pipeline.core.classes import ClassTable
from pipeline.files import atomic, images, pictures, templates
from pipeline.files.images import read_mask
from pipeline.validation import samples
from pipeline.validation.validate import names_to_fill_in

MAX_FIGURES = 24
"""Maximum number of offenders of one check that are shown with images."""
MAX_NAMES = 500
"""Maximum number of further offenders of one check that are named on the page; the JSON names 10,000."""
_CHARACTERS = (
    10_000_000  # of all offenders' pictures; 14 checks of photos take 5 million, so the page stays below 15 MB
)
_FILES = ("image", "mask", "outside_mask")
_BOX = 144, 192  # height and width of a picture, pixels
_Places = dict[Any, dict[Any, str]]
_MARKS = ((255, 0, 255), (255, 255, 0), (0, 255, 255), (255, 255, 255), (0, 0, 0))  # for labels outside the table


def write_page(validation: Validation, manifest: Rows, folder: Path, path: Path) -> None:
    """Write the page of `validation` to `path`; thumbnails are made from the images of `manifest` in `folder`.

    Raises:
        ValueError: a shard of images is missing or damaged.
    """
    files = RawFiles(folder)
    failed = validation.errors + validation.warnings
    places = _places(manifest, [each for finding in failed for each in _pictured(finding)])
    page = (
        templates.environment("pipeline.validation")
        .get_template("validation.html.j2")
        .render(
            validation=validation,
            names=names_to_fill_in(manifest.classes),
            style=templates.style("page.css"),
            images=samples.of_images(manifest, files),
            classes=samples.of_classes(manifest, files),
            colours=[f"rgb{colour}" for colour in manifest.classes.colours],
            mark=f"rgb{_mark(manifest.classes)}",
            largest_share=max(share for split in validation.splits for share in split.shares.values()),
            sections=[
                _section(finding, partial(_pictures, places, files, manifest.classes), _CHARACTERS // len(failed))
                for finding in failed
            ],
        )
    )
    atomic.write_text(path, page)


def _pictured(finding: Finding) -> list[Offender]:
    """Return the offenders that are shown with images, if there is room."""
    return [offender for offender in finding.offenders if offender.images][:MAX_FIGURES]


def _places(manifest: Rows, offenders: list[Offender]) -> _Places:
    """Return the files of the images that show offenders, by id."""
    ids = {name for offender in offenders for name in offender.images[: len(SPLITS)]}
    places: _Places = {}
    for part in manifest.parts(("id", *_FILES)):
        places |= part.images[part.images["id"].isin(ids)].set_index("id")[list(_FILES)].to_dict("index")
    return places


def _section(
    finding: Finding, pictures_of: Callable[[Offender], list[tuple[str, str]]], max_characters: int
) -> dict[str, Any]:
    """Return the content of a failed check's section, whose pictures take no more than `max_characters`."""
    figures: list[tuple[Offender, list[tuple[str, str]]]] = []
    for offender in _pictured(finding):
        shown = pictures_of(offender)
        max_characters -= sum(len(uri) for _, uri in shown)
        if max_characters < 0:
            break
        figures.append((offender, shown))
    return {"finding": finding, "figures": figures, "others": finding.offenders[len(figures) :][:MAX_NAMES]}


def _pictures(places: _Places, files: RawFiles, classes: ClassTable, offender: Offender) -> list[tuple[str, str]]:
    """Return (caption, data URI or "") of each picture: an image and its mask, or one image of each split."""
    if len(offender.images) == 1:
        image, mask, outside = (files.source(place) for place in places[offender.images[0]].values())
        return [("image", _image_uri(image)), ("mask", _mask_uri(mask, outside, classes))]
    return [(name, _image_uri(files.source(places[name]["image"]))) for name in offender.images[: len(SPLITS)]]


def _image_uri(source: Path | bytes) -> str:
    """Return the image as a small JPEG in a data URI, "" if not even a viewer shows it."""
    try:
        pixels = images.read_image(source)
    except images.ImageError:
        return _preview_uri(source)
    except OSError:
        return ""
    return pictures.jpeg_uri(pixels, _BOX)


def _preview_uri(source: Path | bytes) -> str:
    """Return an image or mask that is refused as a small JPEG in a data URI, "" if it cannot be decoded."""
    try:
        return pictures.jpeg_uri(images.read_preview(source), _BOX)
    except images.ImageError:
        return ""


def _mask_uri(source: Path | bytes, outside: Path | bytes, classes: ClassTable) -> str:
    """Return the mask in its classes' colours as a small PNG in a data URI, "" if it cannot be read.

    A pixel of the thumbnail is marked if any of those that it covers holds a label outside the table.
    """
    try:
        mask = read_mask(source)
        marked = read_mask(outside) if isinstance(outside, bytes) or outside.is_file() else np.zeros_like(mask)
    except images.ImageError:
        return _preview_uri(source)
    except OSError:
        return ""
    height, width = pictures.size_within(mask, _BOX)
    colours = classes.palette()[images.resize_mask(mask, (height, width))]
    rows, columns = np.nonzero(marked)
    colours[rows * height // len(mask), columns * width // mask.shape[1]] = _mark(classes)
    return pictures.png_uri(colours)


def _mark(classes: ClassTable) -> tuple[int, int, int]:
    """Return the colour of labels outside the table: of a few, the one that no class has nearby."""
    taken = np.array([*classes.colours, classes.void_colour])
    return max(_MARKS, key=lambda mark: np.abs(taken - mark).sum(axis=1).min())
