"""A data/raw and data/tiles with a few random images, for tests of the stages that read them."""

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.artifacts import tileset
from pipeline.artifacts.manifest import COLUMNS, Manifest
from pipeline.core.classes import ClassTable
from pipeline.data import tile
from pipeline.files import images
from pipeline.params.steps import Tile

CLASSES = ClassTable(("road", "sky"), ((1, 2, 3), (4, 5, 6)), (0, 0, 0), None)


def write_raw(folder, sizes, masks=None):
    """Write an image of each size into each split, with random masks of classes and void; return the manifest."""
    generator = np.random.default_rng(1)
    rows = []
    for split in ("train", "val", "test"):
        for i, (height, width) in enumerate(sizes):
            image = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
            mask = generator.integers(0, 3, (height, width)).astype(np.uint8) if masks is None else masks[i]
            name = f"{split}/{i}.png"
            for kind, pixels in (("images", image), ("masks", mask)):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
                (folder / kind / name).write_bytes(images.encode_png(pixels))
            row = {**dict.fromkeys(COLUMNS, ""), "id": f"{split}/{i}", "split": split, "sequence": "s"}
            row |= {"image": f"images/{name}", "mask": f"masks/{name}", "height": height, "width": width}
            rows.append(
                {
                    **row,
                    "mask_height": height,
                    "mask_width": width,
                    "contrast": 1.0,
                    "outside": 0,
                    "orientation": 1,
                    "mask_orientation": 1,
                }
            )
    return Manifest("toy", CLASSES, "", pd.DataFrame(rows))


def write_tiles(folder, side=32):
    """Write nine tiles of `side` x `side` pixels into each split, and return their folder."""
    manifest = write_raw(folder / "raw", [(side, 2 * side)] * 4 + [(side, side)])
    sides = {"height": side, "width": side, "stride_y": side, "stride_x": side}
    settings = Tile(scale=1.0, **sides, drop_unlabelled=True, tiles_per_shard=4)
    tile.run(manifest, folder / "raw", folder / "tiles", settings)
    return folder / "tiles"


def write_index(folder, header, index):
    """Write the index of tiles whose shards are in a folder."""
    table = pa.Table.from_pandas(index, tileset.schema(header), preserve_index=False)
    return tileset.write_index(folder, header, table.to_batches(max_chunksize=2))
