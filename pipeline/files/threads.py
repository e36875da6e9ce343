"""Processing many images on all cores, in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.files.images import ImageError, read_header

_MEMORY = 4_000_000_000  # bytes that the images in progress may take; a single one is processed whatever its size
_BYTES_PER_PIXEL = 10  # measured: a decoded image and its copies as arrays
_SMALL = 20_000  # pixels of an image, below which one thread is faster (docs/performance.md)
AHEAD = 5  # items for each thread that are worked on, submitted or done ahead; all at once take 1 kB each

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_all_cores(
    work: Callable[[Item], Result], items: Collection[Item], title: str, *, images: Iterable[Path | bytes]
) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order; a terminal shows the progress under `title`.

    Few items are in progress or wait to be taken at any time, however many there are. Threads suffice: decoding,
    encoding and hashing, which take nearly all of the time, release the GIL. Of small images they do not, and threads
    would wait for each other: there is one.

    Args:
        work: called with each item; opens one image at a time.
        items: what to process.
        title: label of the progress bar.
        images: those that will be opened, or the largest of them, which determines how many are processed at once.
    """
    largest = max(map(_num_pixels, images), default=0)
    cores = 1 if 0 < largest < _SMALL else os.cpu_count() or 1
    workers = max(1, min(cores, _MEMORY // max(1, largest * _BYTES_PER_PIXEL)))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with (
        ThreadPoolExecutor(workers) as pool,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        results = in_order(lambda item: pool.submit(work, item), items, workers * AHEAD)
        yield from progress.track(results, total=len(items), description=title)


def in_order(submit: Callable[[Item], Future[Result]], items: Iterable[Item], at_once: int) -> Iterator[Result]:
    """Yield the result of each item, in order; `submit` starts its work. At most `at_once` items are under way."""
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(submit(item))
            if len(under_way) > at_once:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:  # an error ends the rest
        for future in under_way:
            future.cancel()


def _num_pixels(image: Path | bytes) -> int:
    try:
        _, height, width = read_header(image)
    except ImageError:
        return 0  # it will not be decoded
    return height * width
