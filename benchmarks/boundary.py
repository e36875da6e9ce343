"""Time the boundary measure against the assignment problem that it replaces, on drawn scenes.

    python benchmarks/boundary.py [RESULT.json]

The assignment is solved by scipy's linear_sum_assignment over all boundary pixels and their outliers. Both must match
the same number of pixels of each class. Seconds are processor time, so that a busy machine changes them little.
"""

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import scipy
from scipy.ndimage import median_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pipeline.core.arrays import Counts, Pixels
from pipeline.core.boundary import TOLERANCE, Mask, boundary_pixels, counts
from pipeline.data.scenes import CLASSES, draw
from pipeline.files import atomic

SEED = 7
SCENES = 4  # of each size
SIZES = ((36, 48), (48, 64), (96, 128), (192, 256), (360, 480))
CAMVID_TEST_IMAGES = 233  # of 360 x 480


def pair(size: tuple[int, int], sequence: int) -> tuple[Pixels, Pixels]:
    """Return a drawn mask shifted by about the tolerance and smoothed, as a prediction, and the mask itself."""
    _, target = draw(SEED, sequence, 0, height=size[0], width=size[1])
    shift = round(size[0] / 120)
    moved = np.roll(np.minimum(target, len(CLASSES) - 1), (shift, shift), (0, 1))
    return median_filter(moved, 3), target


def assigned(prediction: Pixels, target: Pixels) -> Counts:
    """Return the number of matched boundary pixels of each class, (C,), by assignments of least cost."""
    return np.array([_assigned(prediction == c, target == c) for c in range(len(CLASSES))])


def _assigned(prediction: Mask, target: Mask) -> int:
    p, t = np.argwhere(boundary_pixels(prediction)), np.argwhere(boundary_pixels(target))
    n, m, reach = len(p), len(t), TOLERANCE * np.hypot(*target.shape)
    distances = cdist(p, t)
    cost = np.full((n + m, n + m), 100 * reach)
    cost[:n, :m] = np.where(distances <= reach, distances, np.inf)
    rows, columns = linear_sum_assignment(cost)
    return int(((rows < n) & (columns < m)).sum())


def matched(prediction: Pixels, target: Pixels) -> Counts:
    """Return the number of matched boundary pixels of each class, (C,), by our measure."""
    return counts(prediction, target, len(CLASSES))[:, 0]


def timed(count: Callable[[Pixels, Pixels], Counts], pairs: list[tuple[Pixels, Pixels]]) -> tuple[float, Counts]:
    """Return the processor seconds that `count` takes per image, and all its results."""
    start = process_time()
    results = np.array([count(*masks) for masks in pairs])
    return (process_time() - start) / len(pairs), results


def compare(size: tuple[int, int]) -> dict[str, Any]:
    """Return both times for one size.

    Raises:
        RuntimeError: the two matched different numbers of pixels.
    """
    pairs = [pair(size, sequence) for sequence in range(SCENES)]
    ours, matches = timed(matched, pairs)
    plain, expected = timed(assigned, pairs)
    if not np.array_equal(matches, expected):
        raise RuntimeError(f"expected the assignment's matches {expected.tolist()}, got {matches.tolist()}")
    return {
        "size": size, "matched": int(matches.sum()), "assignment_s": plain, "ours_s": ours, "ratio": plain / ours,
    }  # fmt: skip


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, nargs="?", default=Path(__file__).parent / "results" / "boundary.json")
    path = parser.parse_args().result
    matched(*pair(SIZES[0], 0))  # not timed: first calls are slow
    rows = [compare(size) for size in SIZES]
    print("   size  matched pixels  assignment      ours   ratio   (seconds per image)")
    for row in rows:
        height, width = row["size"]
        seconds = f"{row['assignment_s']:11.4f} {row['ours_s']:9.4f}"
        print(f"{height:3}x{width:3} {row['matched']:>15} {seconds} {row['ratio']:7.1f}")
    total = CAMVID_TEST_IMAGES * rows[-1]["ours_s"]
    print(f"ours on {CAMVID_TEST_IMAGES} images of the last size: {total:.1f} s")
    machine = {"cpus": os.cpu_count(), "processor": platform.machine(), "scipy": scipy.__version__}
    atomic.write_json(path, {"machine": machine, "sizes": rows})


if __name__ == "__main__":
    main()
