"""The built-in data set: road scenes drawn by this program."""

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import track

from pipeline.artifacts.manifest import SPLITS
from pipeline.data.scenes import BYTES_PER_PIXEL, CLASSES, draw
from pipeline.data.source import Source, SourceImage
from pipeline.files import processes
from pipeline.files.images import encode_png
from pipeline.files.threads import AHEAD, in_order
from pipeline.params.dataset import ScenesDataset

_MEMORY = 4_000_000_000  # bytes for the images drawn at once; a single one is drawn however large it is
LICENCE = "Drawn by this program; public domain (CC0 1.0, https://creativecommons.org/publicdomain/zero/1.0/)."


class _Scene(NamedTuple):
    """One image to be drawn."""

    split: str
    sequence: int
    frame: int

    @property
    def name(self) -> str:
        return f"s{self.sequence:03}_{self.frame:04}"

    def files(self, folder: Path) -> tuple[Path, Path]:
        """Return the paths of the image and of its mask."""
        image, mask = (folder / kind / self.split / f"{self.name}.png" for kind in ("images", "masks"))
        return image, mask

    def entry(self, folder: Path) -> SourceImage:
        """Return the image and its mask, in `folder`, as a data set reports them."""
        return SourceImage(self.split, f"s{self.sequence:03}", self.name, *self.files(folder))


def write(settings: ScenesDataset, folder: Path) -> Source:
    """Draw the images and masks of all splits into `folder`.

    An image depends on the seed, its size, its split and its index in the split: more training images do not change
    the test images.

    Raises:
        ValueError: a drawing process was killed.
    """
    scenes = []
    for number, split in enumerate(SPLITS):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for index in range(getattr(settings.images, split)):
            turn, frame = divmod(index, settings.images_per_sequence)
            scenes.append(_Scene(split, turn * len(SPLITS) + number, frame))  # the splits take turns: no two share one
    at_once = max(1, _MEMORY // (settings.height * settings.width * BYTES_PER_PIXEL))
    _draw_all(settings, scenes, folder, min(os.cpu_count() or 1, len(scenes), at_once))
    scenes.sort(key=lambda scene: (scene.split, scene.name))
    one = [scenes[0].files(folder)[0]] if scenes else []  # all are of one size
    return Source("scenes", CLASSES, LICENCE, scenes, partial(_Scene.entry, folder=folder), one)


def _draw_all(settings: ScenesDataset, scenes: list[_Scene], folder: Path, workers: int) -> None:
    work, remedy = partial(_draw, settings, folder), "free some memory or lower dataset.height and dataset.width"
    with processes.pool(work, workers, "draw scenes", remedy) as submit:
        drawn = in_order(lambda scene: submit([scene]), scenes, workers * AHEAD)
        for _ in track(drawn, "drawing scenes", len(scenes), console=Console(stderr=True), transient=True):
            pass


def _draw(settings: ScenesDataset, folder: Path, scene: _Scene) -> None:
    size = {"height": settings.height, "width": settings.width}
    image, mask = draw(settings.seed, scene.sequence, scene.frame, **size)
    for path, pixels in zip(scene.files(folder), (image, mask), strict=True):
        path.write_bytes(encode_png(pixels))
