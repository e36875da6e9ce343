"""A data set of nine small images without defects, and changes to its manifest."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd

from pipeline.artifacts.manifest import COLUMNS, PIXELS, SPLITS, Manifest
from pipeline.core.classes import ClassTable
from pipeline.files.images import encode_png

CLASSES = ClassTable(("road", "sky"), ((128, 64, 128), (70, 130, 180)), (0, 0, 0), None)


def make(folder):
    """Write three images of 32 x 40 pixels per split; each mask has 640 road, 512 sky and 128 void pixels."""
    generator = np.random.default_rng(0)
    mask = np.repeat([0, 1, 2], [20, 16, 4]).astype(np.uint8)[None].repeat(32, axis=0)
    rows = []
    for split in SPLITS:
        for i in range(3):
            image = generator.integers(0, 256, (32, 40, 3), dtype=np.uint8)
            row = {"id": f"{split}/{i}", "split": split, "sequence": f"{split} street", "mode": "RGB", "contrast": 50.0}
            row |= {
                "problem": "",
                "outside": 0,
                "labels_outside": "",
                "outside_mask": "",
                "orientation": 1,
                "mask_orientation": 1,
                "height": 32,
                "width": 40,
                "mask_height": 32,
                "mask_width": 40,
            }
            row |= {PIXELS: [640, 512, 128], "phash": generator.bytes(8).hex()}
            for kind, pixels, column in (("image", image, "sha256"), ("mask", mask, "mask_sha256")):
                row[kind], content = f"{kind}s/{split}/{i}.png", encode_png(pixels)
                (folder / row[kind]).parent.mkdir(parents=True, exist_ok=True)
                (folder / row[kind]).write_bytes(content)
                row[column] = hashlib.sha256(content).hexdigest()
            rows.append(row)
    images = pd.DataFrame(rows, columns=[*COLUMNS, PIXELS]).astype(COLUMNS).sort_values("id", ignore_index=True)
    return Manifest("tiny", CLASSES, "Free.", images)


def change(manifest, ids, **values):
    """Return the manifest with other values in the rows of `ids`; an id that ends in "/" means its entire split."""
    images = manifest.images.copy()
    for i in images.index[[name in ids or f"{name.split('/')[0]}/" in ids for name in images["id"]]]:
        for column, value in values.items():
            images.at[i, column] = value
    return dataclasses.replace(manifest, images=images)


def drop(manifest, split):
    """Return the manifest without the images of `split`."""
    images = manifest.images[manifest.images["split"] != split].reset_index(drop=True)
    return dataclasses.replace(manifest, images=images)


def value(manifest, name, column):
    """Return the value of a column in an image's row."""
    return manifest.images.set_index("id").loc[name, column]


def flip(phash, num_bits):
    """Return the hash with its lowest bits inverted."""
    return f"{int(phash, 16) ^ (2**num_bits - 1):016x}"


def sized(splits, height, width):
    """Return a table of usable images of one size, of which there are no files: one of each split that is listed."""
    sizes = {"height": height, "width": width, "mask_height": height, "mask_width": width}
    return pd.DataFrame({"split": splits, "image": "a.png", "mask": "a.png", "problem": "", **sizes})
