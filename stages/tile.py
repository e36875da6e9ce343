"""Cut data/raw into data/tiles: python -m stages.tile."""

from pathlib import Path

from pipeline import params
from pipeline.artifacts import manifest
from pipeline.data import tile
from stages import execute

RAW = Path("data/raw")
TILES = Path("data/tiles")


def main() -> None:
    """Read data/raw, write data/tiles, and print the number of tiles."""
    settings = params.load().tile
    index = tile.run(manifest.read(RAW), RAW, TILES, settings)
    counts = index["split"].value_counts(sort=False)
    print("tile: " + ", ".join(f"{split} {count} tiles" for split, count in counts.items()))  # noqa: T201


if __name__ == "__main__":
    execute(main)
