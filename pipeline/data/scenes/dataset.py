"""The built-in data set: road scenes drawn by this program."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from pipeline.artifacts.manifest import SPLITS
from pipeline.data.scenes import BYTES_PER_PIXEL, CLASSES, draw
from pipeline.data.source import Source, SourceImage
from pipeline.files.images import encode_png
from pipeline.params.dataset import ScenesDataset

_MEMORY = 4_000_000_000  # bytes for the images drawn at once; a single one is drawn however large it is
LICENCE = "Drawn by this program; public domain (CC0 1.0, https://creativecommons.org/publicdomain/zero/1.0/)."


@dataclass(frozen=True)
class _Scene:
    """One image to be drawn, and its files."""

    seed: int
    sequence: int
    frame: int
    size: tuple[int, int]
    image: Path
    mask: Path


def write(settings: ScenesDataset, folder: Path) -> Source:
    """Draw the images and masks of all splits into `folder`.

    An image depends on the seed, its size, its split and its index in the split: more training images do not change
    the test images.

    Raises:
        ValueError: a drawing process was killed.
    """
    entries, scenes = [], []
    for number, split in enumerate(SPLITS):
        images, masks = folder / "images" / split, folder / "masks" / split
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for index in range(getattr(settings.images, split)):
            turn, frame = divmod(index, settings.images_per_sequence)
            sequence = turn * len(SPLITS) + number  # the splits take turns, so no two share one
            name = f"s{sequence:03}_{frame:04}"
            image, mask = images / f"{name}.png", masks / f"{name}.png"
            entries.append(SourceImage(split, f"s{sequence:03}", name, image, mask))
            scenes.append(_Scene(settings.seed, sequence, frame, (settings.height, settings.width), image, mask))
    at_once = max(1, _MEMORY // (settings.height * settings.width * BYTES_PER_PIXEL))
    _draw_all(scenes, min(os.cpu_count() or 1, len(scenes), at_once))
    return Source("scenes", CLASSES, LICENCE, tuple(entries))


def _draw_all(scenes: list[_Scene], workers: int) -> None:
    # Processes, since drawing holds the GIL. Spawned, since forking a process that has threads may hang.
    context = multiprocessing.get_context("spawn")
    console = Console(stderr=True)
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            drawn = pool.map(_draw, scenes, chunksize=4)
            list(track(drawn, "drawing scenes", len(scenes), console=console, transient=True))
    except BrokenProcessPool as err:
        raise ValueError(
            f"expected {workers} processes to draw scenes, got one that was killed (out of memory?); free some memory "
            "or lower dataset.height and dataset.width, then run dvc repro again"
        ) from err


def _draw(scene: _Scene) -> None:
    height, width = scene.size
    image, mask = draw(scene.seed, scene.sequence, scene.frame, height=height, width=width)
    scene.image.write_bytes(encode_png(image))
    scene.mask.write_bytes(encode_png(mask))
