"""Processing many images on all cores, in bounded memory: by threads, or by processes where these would wait."""

import os
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.files import processes
from pipeline.files.images import ImageError, read_header

_MEMORY = 4_000_000_000  # bytes that the images in progress may take; a single one is processed whatever its size
_BYTES_PER_PIXEL = 10  # measured: a decoded image and its copies as arrays
_SMALL = 20_000  # pixels of an image, below which threads wait for each other (docs/performance.md)
_MANY = 10_000  # small images, from which on it pays to start processes for them
_AT_ONCE = 64  # images that a process is sent at once
_PROCESS = 150_000_000  # bytes
AHEAD = 5  # items for each thread that are worked on, submitted or done ahead; all at once take 1 kB each

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_all_cores(
    work: Callable[[Item], Result],
    items: Collection[Item],
    title: str,
    *,
    images: Iterable[Path | bytes],
    num_images: int | None = None,
) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order; a terminal shows the progress under `title`.

    Few items are in progress or wait to be taken at any time, however many there are. Threads suffice: decoding,
    encoding and hashing, which take nearly all of the time, release the GIL. Of small images they do not: a few get one
    thread, many get processes.

    Args:
        work: called with each item; opens one image at a time. It and its results can be pickled.
        items: what to process.
        title: label of the progress bar.
        images: those that will be opened, or the largest of them, which determines how many are processed at once.
        num_images: how many will be opened, if not one for each item.

    Raises:
        ValueError: a process was killed.
    """
    largest, cores = max(map(_num_pixels, images), default=0), os.cpu_count() or 1
    is_small, num_images = 0 < largest < _SMALL, num_images or len(items)
    if is_small and num_images >= _MANY and cores > 1:
        count = min(cores, _MEMORY // _PROCESS)
        results = _by_processes(work, items, count, max(1, _AT_ONCE * len(items) // num_images), title)
    else:
        at_once = _MEMORY // max(1, largest * _BYTES_PER_PIXEL)
        results = _by_threads(work, items, max(1, min(1 if is_small else cores, at_once)))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with (
        closing(results),
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        yield from progress.track(results, total=len(items), description=title)


def _by_threads(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Generator[Result, None, None]:
    with ThreadPoolExecutor(count) as pool:
        yield from in_order(lambda item: pool.submit(work, item), items, count * AHEAD)


def _by_processes(
    work: Callable[[Item], Result], items: Iterable[Item], count: int, at_once: int, title: str
) -> Generator[Result, None, None]:
    remaining = iter(items)
    parts = iter(lambda: list(islice(remaining, at_once)), [])
    with processes.pool(work, count, f"work on {title}", "free some memory") as submit:
        for results in in_order(submit, parts, count * AHEAD):
            yield from results


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
