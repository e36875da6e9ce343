"""Write the data set's images, index masks and manifest into data/raw: python -m stages.download."""

from pathlib import Path

from pipeline import params
from pipeline.data import download
from pipeline.files.terminal import say
from stages import execute

RAW = Path("data/raw")


def main() -> None:
    """Read the sections dataset and download; write data/raw; print its licence and number of images."""
    settings = params.load()
    manifest = download.run(settings.dataset, settings.download, RAW)
    images = manifest.images["split"].value_counts()
    counts = ", ".join(f"{split} {images.get(split, 0)}" for split in manifest.splits)
    say(manifest.licence)
    say(f"download: {manifest.dataset}: {counts} images; {len(manifest.classes)} classes")


if __name__ == "__main__":
    execute(main)
