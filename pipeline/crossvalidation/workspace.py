"""A folder in which stages run on a fold, as in a copy of the repository; the repository's own data is only linked to.

runs/folds/<name>/<number> has params.yaml and data/raw, whose manifest calls the held-out images test; the stages write
the other outputs. Checkpoints and MLflow's records are the repository's (files/repository.py).
"""

import shutil
from dataclasses import replace
from pathlib import Path

from pipeline.artifacts import manifest, scores
from pipeline.artifacts.manifest import SPLITS, Manifest
from pipeline.artifacts.scores import Scores
from pipeline.crossvalidation.folds import Fold
from pipeline.files import atomic

STAGES = ("tile", "train", "evaluate")
"""Those that run on a fold: its data was validated as a whole, and its model is not registered."""
READERS = ("tile", "evaluate")
"""Those of them that read images."""
RAW = Path("data/raw")
_REPORTS = Path("reports")


def fold_of(source: Manifest, fold: Fold) -> Manifest:
    """Return the manifest of a fold: its held-out images are the test split; no others than its own are in it.

    It has a test split where the data set has none, too: there, stages would score the images that choose the epoch.
    """
    roles = {"train": fold.train, "val": fold.val, "test": fold.held_out}
    split_of = {each: split for split, ids in roles.items() for each in ids}
    images = source.images[source.images["id"].isin(split_of)]
    return replace(source, images=images.assign(split=images["id"].map(split_of)), splits=SPLITS)


def lay_out(folder: Path, raw: Path, images: Manifest, params: bytes) -> None:
    """Make `folder` anew, with the params and the images of a fold; what stages left there before is removed.

    Args:
        folder: of the fold.
        raw: data/raw of the repository.
        images: the manifest of the fold.
        params: the content of its params.yaml.
    """
    with atomic.replacing(folder) as temporary:
        place = temporary / RAW
        place.mkdir(parents=True)
        (temporary / "params.yaml").write_bytes(params)
        for path in raw.iterdir():
            if path.is_dir():
                (place / path.name).symlink_to(path.resolve())
        manifest.write(images, place)


def result(folder: Path, fold: Fold) -> Scores:
    """Return the scores of the fold's held-out images, which the stages wrote.

    Raises:
        ValueError: they did not, or scored other images.
    """
    fold_scores = scores.read(folder / _REPORTS)
    if fold_scores.split != "test" or sorted(fold_scores.ids) != sorted(fold.held_out):
        raise ValueError(
            f"expected scores of the {len(fold.held_out)} images held out, got those of {len(fold_scores.ids)} "
            f"{fold_scores.split} images, {len(set(fold_scores.ids) & set(fold.held_out))} of them held out; "
            "correct what was changed in stages/evaluate.py or pipeline/evaluation, and run the command again"
        )
    return fold_scores


def remove(folder: Path) -> None:
    """Remove the folder; what it links to stays."""
    shutil.rmtree(folder, ignore_errors=True)
