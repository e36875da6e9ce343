"""Predicting every test image and counting: by this process, or by tasks on the nodes of a cluster, to the same counts.

Only what is counted grows with the number of images; few of them are held at any time.
"""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track

from pipeline.artifacts.raw_files import RawFiles
from pipeline.cluster import images, tasks
from pipeline.core import boundary, metrics
from pipeline.core.arrays import Counts, Pixels
from pipeline.core.calibration import Reliability, reliability
from pipeline.files.images import read_image, read_mask
from pipeline.files.threads import Images, Work, in_order
from pipeline.inference.predict import Predictor
from pipeline.params.steps import Placement

FEW = 100
"""Fewer images are predicted by this process, before tasks on nodes would have started."""
_MEMORY = 4_000_000_000  # bytes that images in progress may take; a single one is predicted whatever its size
_BYTES_PER_PIXEL, _BYTES_PER_WINDOW_PIXEL = 30, 2_000  # of an image with its result; activations of a wide network
_RANGE = 16  # images of one task at most, since each task unpickles the model

_Places = tuple[str, str]

Item = TypeVar("Item")
Uncertainty = npt.NDArray[np.float32]


class Listener(Protocol):
    """Called with each test image as it is evaluated; see pipeline.evaluation.report.gallery.Gallery.add."""

    def __call__(
        self,
        image_id: str,
        image: Pixels,
        truth: Pixels,
        prediction: Pixels,
        *,
        uncertainty: Uncertainty,
        counts_CC: Counts,
    ) -> None:
        """Take an image (H, W, 3), its masks (H, W), uncertainty in [0, 1] (H, W), and its confusion matrix."""


@dataclass(frozen=True)
class Counted:
    """What was counted on each image, and the reliability over all of them."""

    pixels: Counts
    """(N, C, C) int64."""
    boundaries: Counts
    """(N, C, 5) int64."""
    reliability: Reliability


@dataclass(frozen=True)
class Predicted:
    """The prediction of an image, and what was counted on it."""

    mask: Pixels
    """(H, W) uint8."""
    uncertainty: Uncertainty
    """(H, W): `Band.shade`."""
    pixels: Counts
    """(C, C) int64: the confusion matrix."""
    reliability: Reliability


class _Result(NamedTuple):
    """An image (H, W, 3), its mask (H, W), what was predicted, and the counts of its boundaries, (C, 5)."""

    image: Pixels
    truth: Pixels
    predicted: Predicted
    boundaries: Counts


def count(
    predictor: Predictor, test: pd.DataFrame, raw: Path, on_image: Listener | None, placement: Placement | None
) -> Counted:
    """Predict every test image, and count.

    Args:
        predictor: the model.
        test: the manifest's rows of the images, in the order of their counts.
        raw: data/raw.
        on_image: called with each image, in order, if given.
        placement: which nodes of the cluster predict, if there is one and the images are not few; None: none.

    Raises:
        ClusterError: there are no such nodes, or tasks on them fail.
    """
    num_classes, files = len(predictor.spec.classes), RawFiles(raw)
    pixels_NCC = np.zeros((len(test), num_classes, num_classes), np.int64)
    boundaries_NC5 = np.zeros((len(test), num_classes, len(boundary.COLUMNS)), np.int64)
    nothing = np.zeros(0, np.int64)
    total = Reliability(nothing, nothing, nothing.astype(np.float64))
    if placement is not None and len(test) >= FEW and tasks.is_at_hand():
        results = _by_nodes(predictor, test, files, placement)
    else:
        results = _by_this_process(predictor, test, files)
    with closing(results):
        for i, (image_id, result) in enumerate(_shown(zip(test["id"], results, strict=True), len(test))):
            predicted = result.predicted
            pixels_NCC[i], boundaries_NC5[i] = predicted.pixels, result.boundaries
            total = predicted.reliability if i == 0 else total + predicted.reliability
            if on_image is not None:
                on_image(
                    image_id,
                    result.image,
                    result.truth,
                    predicted.mask,
                    uncertainty=predicted.uncertainty,
                    counts_CC=predicted.pixels,
                )
    return Counted(pixels_NCC, boundaries_NC5, total)


def predict(predictor: Predictor, image: Pixels, truth: Pixels) -> Predicted:
    """Predict an image (H, W, 3), and count against its mask (H, W), in one pass."""
    mask, uncertainty = np.empty(truth.shape, np.uint8), np.empty(truth.shape, np.float32)
    reliabilities = []
    for band in predictor.bands(image):
        mask[band.rows] = band.mask.cpu().numpy()
        uncertainty[band.rows] = band.shade.cpu().numpy()
        target = torch.from_numpy(truth[band.rows]).to(band.mask.device)
        reliabilities.append(reliability(band.probabilities, band.mask, target))
    num_classes = len(predictor.spec.classes)
    pixels = metrics.confusion_matrix(torch.from_numpy(mask), torch.from_numpy(truth), num_classes).numpy()
    return Predicted(mask, uncertainty, pixels, sum(reliabilities[1:], start=reliabilities[0]))


def _by_this_process(predictor: Predictor, test: pd.DataFrame, files: RawFiles) -> Generator[_Result, None, None]:
    """Yield the results of images that are predicted side by side; together they use all of torch's threads."""
    cores = torch.get_num_threads()
    at_once = _at_once(predictor, test, cores)
    one_by_one = nullcontext() if predictor.is_reentrant else Lock()
    threads = max(1, cores // at_once) if predictor.is_reentrant else cores

    def work(places: _Places) -> _Result:
        image, truth = read_image(files.source(places[0])), read_mask(files.source(places[1]))
        with one_by_one:
            predicted = predict(predictor, image, truth)
        return _Result(image, truth, predicted, _boundaries(predictor, predicted, truth))

    with ThreadPoolExecutor(at_once, initializer=partial(torch.set_num_threads, threads)) as pool:
        try:
            yield from in_order(lambda places: pool.submit(work, places), _places(test), at_once)
        finally:
            torch.set_num_threads(cores)  # it counts for threads that are started later, too


def _at_once(predictor: Predictor, test: pd.DataFrame, cores: int) -> int:
    """Return how many images are predicted at once: one for each core, or fewer that fit the memory."""
    largest = int((test["height"] * test["width"]).max())
    window = predictor.spec.tile_height * predictor.spec.tile_width
    taken = largest * _BYTES_PER_PIXEL + min(largest, window) * _BYTES_PER_WINDOW_PIXEL
    return max(1, min(cores, len(test), _MEMORY // taken))


def _boundaries(predictor: Predictor, predicted: Predicted, truth: Pixels) -> Counts:
    return boundary.counts(predicted.mask, truth, len(predictor.spec.classes))


class _Encoded(NamedTuple):
    """An image and its mask, as they are stored."""

    image: bytes
    mask: bytes


def _by_nodes(
    predictor: Predictor, test: pd.DataFrame, files: RawFiles, placement: Placement
) -> Generator[_Result, None, None]:
    """Yield results of tasks on contiguous ranges of the images, which travel with them: no node must see data/raw."""

    def load(places: _Places) -> Iterator[_Encoded]:
        yield _Encoded(*map(files.content, places))

    def store(places: _Places, counted: Iterator[tuple[Predicted, Counts]]) -> _Result:
        [(predicted, boundaries)] = counted
        image, truth = read_image(files.source(places[0])), read_mask(files.source(places[1]))
        return _Result(image, truth, predicted, boundaries)

    work = Work(load, partial(count_on, predictor), store)
    known = Images(len(test), int((test["height"] * test["width"]).max()))
    return images.by_nodes(work, _places(test), known, placement, on_gpus=True, at_most=_RANGE)


def count_on(predictor: Predictor, encoded: _Encoded) -> Iterator[tuple[Predicted, Counts]]:
    """Predict an image, and count on it, boundaries too, (C, 5); runs on a node."""
    truth = read_mask(encoded.mask)
    predicted = predict(predictor, read_image(encoded.image), truth)
    yield predicted, _boundaries(predictor, predicted, truth)


def _places(test: pd.DataFrame) -> Iterator[_Places]:
    """Yield the places of each image and its mask."""
    return test[["image", "mask"]].itertuples(index=False, name=None)


def _shown(each: Iterable[Item], number: int) -> Iterable[Item]:
    """Return an iterator over so many items; a terminal shows the progress."""
    console = Console(stderr=True)
    return track(each, "evaluate", number, console=console, disable=not console.is_terminal)
