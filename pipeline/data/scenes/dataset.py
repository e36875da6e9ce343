"""The built-in data set: road scenes drawn by this program."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from pipeline.artifacts.manifest import SPLITS
from pipeline.data.scenes import BYTES_PER_PIXEL, CLASSES, draw
from pipeline.data.source import File, Source, SourceImage
from pipeline.files.images import encode_png
from pipeline.files.threads import Images
from pipeline.params.dataset import ScenesDataset

LICENCE = "Drawn by this program; public domain (CC0 1.0, https://creativecommons.org/publicdomain/zero/1.0/)."


class _Scene(NamedTuple):
    """One image to be drawn."""

    split: str
    sequence: int
    frame: int

    @property
    def name(self) -> str:
        return f"s{self.sequence:03}_{self.frame:04}"


def source(settings: ScenesDataset) -> Source:
    """Return the data set, whose images and masks are drawn as they are made.

    An image depends on the seed, its size, its split, its index in the split and the number of images per sequence:
    more training images do not change the test images.
    """
    scenes = []
    for number, split in enumerate(SPLITS):
        for index in range(getattr(settings.images, split)):
            turn, frame = divmod(index, settings.images_per_sequence)
            scenes.append(_Scene(split, turn * len(SPLITS) + number, frame))  # the splits take turns: no two share one
    scenes.sort(key=lambda scene: (scene.split, scene.name))
    images = Images(len(scenes), settings.height * settings.width, BYTES_PER_PIXEL, are_drawn=True)
    return Source("scenes", CLASSES, LICENCE, scenes, _load, partial(_draw, settings), images)


def _load(scene: _Scene) -> Iterator[_Scene]:
    yield scene


def _draw(settings: ScenesDataset, scene: _Scene) -> SourceImage:
    drawn = draw(settings.seed, scene.sequence, scene.frame, height=settings.height, width=settings.width)
    image, mask = (
        File(f"{kind}/{scene.split}/{scene.name}.png", encode_png(pixels))
        for kind, pixels in zip(("images", "masks"), drawn, strict=True)
    )
    return SourceImage(scene.split, f"s{scene.sequence:03}", scene.name, image, mask)
