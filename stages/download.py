"""Write the data set's images, index masks and manifest into data/raw: python -m stages.download."""

from pathlib import Path

from pipeline import params
from pipeline.cluster import images
from pipeline.data import download
from pipeline.files.terminal import say
from stages import execute

RAW = Path("data/raw")


def main() -> None:
    """Read the sections dataset and download; write data/raw; print its licence and number of images."""
    settings = params.load()
    head, counted = download.run(settings.dataset, settings.download, RAW, images.on_all(settings.placement))
    counts = ", ".join(f"{split} {counted[split]}" for split in head.splits)
    say(head.licence)
    say(f"download: {head.dataset}: {counts} images; {len(head.classes)} classes")


if __name__ == "__main__":
    execute(main)
