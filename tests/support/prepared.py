"""Download and tile of 120 drawn images: python -m tests.support.prepared FOLDER; writes FOLDER/raw and FOLDER/tiles.

With RAY_ADDRESS, nodes draw and cut, few images at a time; the number of each image is printed when it is there.
"""

import sys
from pathlib import Path

from pipeline import params
from pipeline.artifacts import manifest
from pipeline.cluster import images
from pipeline.data import download, tile
from pipeline.files import log
from tests.support import SCENES
from tests.support.tiny_training import ANYWHERE

SPLITS = {"train": 100, "val": 10, "test": 10}


def main(folder):
    log.to_stderr()
    images.FEW, images._RANGE = 1, 3
    settings = params.load(SCENES)
    counts = settings.dataset.images.model_copy(update=SPLITS)
    dataset = settings.dataset.model_copy(update={"images": counts})
    limits = settings.download.model_copy(update={"files_up_to": 0})
    on_all = images.on_all(ANYWHERE)

    def shown(*arguments):
        for number, result in enumerate(on_all(*arguments), 1):
            print(number, flush=True)
            yield result

    download.run(dataset, limits, folder / "raw", shown)
    print("cutting", flush=True)
    tiling = settings.tile.model_copy(update={"tiles_per_shard": 7})
    tile.run(manifest.read(folder / "raw"), folder / "raw", folder / "tiles", tiling, on_all)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
