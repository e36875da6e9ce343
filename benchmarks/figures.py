"""The pictures of docs/results.md, from what the path left in the current folder.

python benchmarks/figures.py [--to docs/figures] [--name scenes]

Writes NAME-curve.png, the validation mIoU and the losses by epoch, and for the drawn scenes alone, since other data
sets may not be passed on, NAME-overlays.png: of six test images evenly spaced by their mIoU the image, the true mask
and the predicted one.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from PIL import Image

from pipeline import load_predictor, predict
from pipeline.artifacts import manifest, scores
from pipeline.artifacts.raw_files import RawFiles
from pipeline.artifacts.scores import Scores
from pipeline.core import metrics
from pipeline.core.arrays import Pixels
from pipeline.files import images

_GAP, _ENLARGED = 4, 2  # pixels between pictures, and each of theirs as a square of so many


def main() -> None:
    """Draw what docs/results.md shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="scenes")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    curve(Path("reports/history.csv"), options.to / f"{options.name}-curve.png")
    data = manifest.read(Path("data/raw"))
    if data.dataset == "scenes":
        picture = np.concatenate([_row(data, image) for image in chosen(scores.read(Path("reports")))])
        Image.fromarray(picture).save(options.to / f"{options.name}-overlays.png", optimize=True)


def curve(history: Path, path: Path) -> None:
    """Draw the validation mIoU and both losses of a training by epoch."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    rows = pd.read_csv(history)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for axis, columns in zip(axes, (["val/miou"], ["train/loss", "val/loss"]), strict=True):
        for column in columns:
            points = rows[["epoch", column]].dropna()
            axis.plot(points["epoch"], points[column], marker="." if len(points) < 40 else "", label=column)
        axis.set(xlabel="epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})  # no version: the same curve is the same file


def chosen(scored: Scores) -> list[str]:
    """Return the ids of six images, from the worst to the best by mIoU and as far apart as there are images."""
    ranked = sorted(zip((metrics.scores(counts).miou for counts in scored.counts), scored.ids, strict=True))
    return [ranked[round(i * (len(ranked) - 1) / 5)][1] for i in range(6)]


def _row(data: manifest.Manifest, image_id: str) -> Pixels:
    """Return image, true mask and predicted mask side by side, and a gap below."""
    row = data.images.set_index("id").loc[image_id]
    files = RawFiles(Path("data/raw"))
    image, mask = images.read_image(files.source(str(row["image"]))), images.read_mask(files.source(str(row["mask"])))
    predictor, palette = load_predictor(), data.classes.palette()
    gap = np.full((len(image), _GAP // _ENLARGED, 3), 255, np.uint8)
    wide = np.concatenate([image, gap, palette[mask], gap, palette[predict(predictor, image)]], axis=1)
    large = wide.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    return np.concatenate([large, np.full((_GAP, large.shape[1], 3), 255, np.uint8)])


if __name__ == "__main__":
    main()
