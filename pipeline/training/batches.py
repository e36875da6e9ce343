"""reports/batches.html: the first batches as the network gets them, augmented, for people to look at before it trains.

A step's tiles and their transforms depend on seed and step alone: these are the ones of any number of workers.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from pipeline.artifacts.tileset import Tileset
from pipeline.core import sampler
from pipeline.core.arrays import Pixels
from pipeline.core.augment import draw
from pipeline.files import atomic, pictures, templates
from pipeline.training.phases import phases
from pipeline.training.trainer import Job, training_order

_STEPS = 3
MAX_TILES = 8
"""Of a larger batch, only so many tiles are shown."""
_BOX = 144, 192  # height and width of a picture, pixels


def write_page(path: Path, job: Job) -> None:
    """Write the page of a job whose tiles lie on this machine; the same job gives the same bytes."""
    tiles, settings = Tileset(job.tiles, *job.settings.splits), job.settings
    classes = tiles.header.classes
    shown = [
        [
            (
                source,
                pictures.jpeg_uri(image, _BOX),
                pictures.overlay_uri(image, mask, classes, _BOX),
            )
            for source, image, mask in batch
        ]
        for batch in _first(tiles, job)
    ]
    template = templates.environment("pipeline.training").get_template("batches.html.j2")
    html = template.render(
        style=templates.style("page.css"),
        dataset=tiles.header.dataset,
        size=f"{tiles.header.width} x {tiles.header.height}",
        settings=settings,
        num_tiles=len(tiles),
        classes=list(zip(classes.names, map("rgb{}".format, classes.colours), strict=True)),
        void=f"rgb{classes.void_colour}",
        batches=shown,
    )
    atomic.write_text(path, html)


def _first(tiles: Tileset, job: Job) -> Iterator[list[tuple[str, Pixels, Pixels]]]:
    """Yield the first steps' batches: the id of each tile's image, the tile (H, W, 3) and its mask (H, W), uint8."""
    settings, void = job.settings, tiles.header.classes.void
    steps_before = partial(sampler.steps_before, num_tiles=len(tiles), batch_size=settings.batch_size)
    phase, order = phases(settings, steps_before)[0], training_order(tiles, settings)
    for step in phase.steps[:_STEPS]:
        start = step * settings.batch_size
        positions = range(start, start + min(settings.batch_size, MAX_TILES))
        numbers = order.tiles_at(positions)
        images, masks = (torch.from_numpy(part) for part in next(tiles.batches([numbers])))
        random = draw(settings.seed, list(positions))
        images, masks = phase.transform(images.permute(0, 3, 1, 2).float(), masks.long(), random, void=void)
        pixels = images.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
        yield list(zip(tiles.sources(numbers), pixels, masks.to(torch.uint8).numpy(), strict=True))
