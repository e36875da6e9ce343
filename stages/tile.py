"""Cut data/raw into data/tiles: python -m stages.tile."""

from pathlib import Path

from pipeline import params
from pipeline.artifacts import manifest
from pipeline.cluster import images
from pipeline.data import tile
from pipeline.files.terminal import say
from stages import execute

RAW = Path("data/raw")
TILES = Path("data/tiles")


def main() -> None:
    """Read data/raw, write data/tiles, and print the number of tiles."""
    settings, source = params.load(), manifest.scan(RAW)
    counts = tile.run(source, RAW, TILES, settings.tile, images.on_all(settings.placement))
    say("tile: " + ", ".join(f"{split} {count} tiles" for split, count in counts.items()))
    left_out, number = tile.left_out(source)
    if left_out:
        say(f"tile: {left_out} of {number} images left out: see the warnings of validate")


if __name__ == "__main__":
    execute(main)
