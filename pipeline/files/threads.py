"""Processing many images on all cores, in bounded memory: by threads, or by processes where these would wait."""

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.files import cores, processes
from pipeline.files.images import ImageError, read_header

_MEMORY = 4_000_000_000  # bytes that the images in progress may take; a single one is processed whatever its size
_SMALL = 20_000  # pixels of an image, below which threads wait for each other (docs/performance.md)
_MANY = 10_000  # small images, from which on it pays to start processes for them
_AT_ONCE = 64  # images that a process is sent at once
_HEADERS_AT_ONCE = 1024  # likewise, of which the sizes are read
_PROCESS = 150_000_000  # bytes
_ALONE = 1.0  # seconds of work in this process before it is known how long the rest takes
_REST = 3.0  # seconds, below which the rest is done here too: processes take one to three seconds to start
AHEAD = 5  # items for each thread that are worked on, submitted or done ahead; all at once take 1 kB each

Item = TypeVar("Item")
Sent = TypeVar("Sent")
Made = TypeVar("Made")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Images:
    """What is known of images before they are worked on: it decides how many are at once, and by what."""

    number: int
    largest: int
    """Pixels of the largest; 0 if none can be read."""
    bytes_per_pixel: int = 30
    """What one takes while it is worked on; of uncompressed files, download took 20 and tile 12, resizing 24."""
    are_drawn: bool = False
    """Whether Python draws them, which threads would do one after the other."""


@dataclass(frozen=True)
class Work(Generic[Item, Sent, Made, Result]):
    """What is done with the images of an item, in three steps, of which any machine can do the second.

    Called with an item, it does all three, with one image at a time.
    """

    load: Callable[[Item], Iterable[Sent]]
    """Reads the images of an item, at least one, on this machine."""
    make: Callable[[Sent], Iterable[Made]]
    """Makes something of an image, part by part. It reads and writes no file; it, what it takes and the parts can be
    pickled."""
    store: Callable[[Item, Iterator[Made]], Result]
    """Takes all parts of what was made of an item's images, in their order, on this machine."""

    def __call__(self, item: Item) -> Result:
        """Return the result of an item."""
        return self.store(item, chain.from_iterable(map(self.make, self.load(item))))


class OnAll(Protocol):
    """Does the same work with many items, wherever: `on_all_cores`, or pipeline.cluster.images.on_all."""

    def __call__(
        self, work: Work[Item, Any, Any, Result], items: Collection[Item], title: str, images: Images
    ) -> Iterator[Result]:
        """Yield the result of each item, in order, while few are under way; a terminal shows the progress."""


def on_all_cores(
    work: Callable[[Item], Result], items: Collection[Item], title: str, images: Images
) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order; a terminal shows the progress under `title`.

    Few items are in progress or wait to be taken at any time, however many there are. Threads suffice: decoding,
    encoding and hashing, which take nearly all of the time, release the GIL. Of small images they do not: a few get one
    thread, many get processes, once the work has taken a second.

    Args:
        work: called with each item; opens one image at a time. It and its results can be pickled.
        items: what to process.
        title: label of the progress bar.
        images: those of all items.

    Raises:
        ValueError: a process was killed.
    """
    usable, taken = len(cores.usable()), max(1, images.largest * images.bytes_per_pixel)
    is_small = 0 < images.largest < _SMALL
    if usable > 1 and (images.are_drawn or (is_small and images.number >= _MANY)):
        count = max(1, min(usable, len(items), _MEMORY // max(_PROCESS, taken)))
        at_once = 1 if images.are_drawn else max(1, _AT_ONCE * len(items) // images.number)
        results = _by_processes(work, items, len(items), count, at_once=at_once, title=title)
    else:
        results = _by_threads(work, items, max(1, min(1 if is_small else usable, _MEMORY // taken)))
    with closing(results):
        yield from shown(results, len(items), title)


def shown(results: Iterable[Result], number: int, title: str) -> Iterator[Result]:
    """Yield so many results; a terminal shows the progress under `title`."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(results, total=number, description=title)


def _by_threads(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Generator[Result, None, None]:
    with ThreadPoolExecutor(count) as pool:
        yield from in_order(lambda item: pool.submit(work, item), items, count * AHEAD)


def _by_processes(
    work: Callable[[Item], Result], items: Iterable[Item], number: int, count: int, *, at_once: int, title: str
) -> Generator[Result, None, None]:
    """Yield the result of each of about `number` items, of which `count` processes are sent `at_once`."""
    remaining = iter(items)
    yield from _for_a_while(work, remaining, number)
    parts = iter(lambda: list(islice(remaining, at_once)), [])
    with processes.pool(work, count, f"work on {title}", "free some memory") as submit:
        for results in in_order(submit, parts, count * AHEAD):
            yield from results


def _for_a_while(work: Callable[[Item], Result], remaining: Iterator[Item], number: int) -> Iterator[Result]:
    """Do the work here, and leave what remains after `_ALONE` seconds unless it will take less than `_REST`."""
    began, done, none = time.monotonic(), 0, object()
    while (taken := time.monotonic() - began) < _ALONE or (done and (number - done) * taken / done < _REST):
        if (item := next(remaining, none)) is none:
            return
        yield work(cast(Item, item))
        done += 1


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


def largest(images: Iterable[Path], number: int) -> int:
    """Return the pixels of the largest of about so many images; 0 if none can be read. They are not decoded."""
    usable = len(cores.usable())
    if number < _MANY or usable == 1:
        return max(map(_num_pixels, images), default=0)
    sizes = _by_processes(_num_pixels, images, number, usable, at_once=_HEADERS_AT_ONCE, title="image sizes")
    with closing(sizes):
        return max(sizes, default=0)


def _num_pixels(image: Path) -> int:
    try:
        _, height, width = read_header(image)
    except ImageError:
        return 0  # it will not be decoded
    return height * width
