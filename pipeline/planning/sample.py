"""A few images of a data set, brought into the form of data/raw: what is timed before all of them are."""

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.artifacts import manifest
from pipeline.artifacts.manifest import SPLITS, Head, Manifest
from pipeline.data import assignment, download, folder
from pipeline.data.scenes import dataset as scenes
from pipeline.data.source import Source
from pipeline.params.dataset import CamvidDataset, Dataset, FolderDataset, ScenesDataset, SplitCounts
from pipeline.planning.evenly import evenly

_EACH = 4  # images of a split
_CAMVID = {"train": 367, "val": 101, "test": 233}


@dataclass(frozen=True)
class Sample:
    """Images of each split, in a folder like data/raw."""

    manifest: Manifest
    counts: Counter[str]
    """How many images with a mask each split has in all."""
    seconds: float | None
    """What an image took to bring here, on all cores; None: it would be downloaded."""
    note: str
    """What the images stand for, if they are not the data set's own, or that their sizes differ."""

    def images_in_all(self) -> float:
        """Return how many images of the usable ones' mean size have as many pixels as all, by the means of splits."""
        images = self.manifest.usable
        pixels = (images["height"] * images["width"]).groupby(images["split"]).mean()
        in_all = sum(self.counts[str(split)] * mean for split, mean in pixels.items())
        return float(in_all / (images["height"] * images["width"]).mean())


def take(dataset: Dataset, raw: Path) -> Sample:
    """Write up to four images of each split, and their manifest, into the empty folder `raw`.

    CamVid's are drawn scenes of the same size: nothing is downloaded.

    Raises:
        ValueError: a folder's globs, lists or masks do not match.
    """
    begun, note = 0.0, ""
    if isinstance(dataset, FolderDataset):
        began = time.monotonic()
        source, counts = _of_folder(dataset)
    else:
        if isinstance(dataset, CamvidDataset):
            note = "CamVid is not downloaded for this, nor is that timed: drawn scenes of its size stand for it"
        begun = _starting(dataset, raw)
        began = time.monotonic()
        source, counts = _drawn(dataset, _EACH)
    rows = list(download.files(source, raw))
    seconds = max(0.0, time.monotonic() - began - begun) / max(1, len(rows))
    manifest.write_rows(Head(source.dataset, source.classes, source.licence, splits=source.splits), rows, raw)
    taken = manifest.read(raw)
    if len(taken.usable[["height", "width"]].drop_duplicates()) > 1:
        note = f"estimated from {len(rows)} images, up to {_EACH} of each split, whose sizes differ"
    return Sample(taken, counts, None if isinstance(dataset, CamvidDataset) else seconds, note)


def _of_folder(dataset: FolderDataset) -> tuple[Source, Counter[str]]:
    root = folder.located(dataset.path)
    jobs = assignment.jobs(dataset, root)
    whole = [job for job in jobs if assignment.is_whole(root, job)]
    counts = Counter(job.split for job in whole)
    chosen = [job for split in sorted(SPLITS) for job in evenly([job for job in whole if job.split == split], _EACH)]
    return folder.source_of(dataset, root, chosen), counts


def _starting(dataset: ScenesDataset | CamvidDataset, raw: Path) -> float:
    """Return the seconds until the processes that draw have started, which any number of images takes once."""
    began = time.monotonic()
    with TemporaryDirectory(dir=raw.parent) as folder_:
        list(download.files(_drawn(dataset, 1)[0], Path(folder_)))
    return time.monotonic() - began


def _drawn(dataset: ScenesDataset | CamvidDataset, each: int) -> tuple[Source, Counter[str]]:
    few = SplitCounts(train=each, val=each, test=each)
    if isinstance(dataset, ScenesDataset):
        counts = Counter(dataset.images.model_dump())
        return scenes.source(dataset.model_copy(update={"images": few})), counts
    stand_in = ScenesDataset(name="scenes", seed=1, height=360, width=480, images=few, images_per_sequence=2)
    return replace(scenes.source(stand_in), dataset="camvid"), Counter(_CAMVID)


def written(folder_: Path) -> int:
    """Return the size of a folder's files, bytes."""
    return sum(path.stat().st_size for path in folder_.rglob("*") if path.is_file())
