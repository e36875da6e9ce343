"""Work on many pictures by all cores, in bounded memory."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.files.images import ImageError, read_header

_MEMORY = 4_000_000_000  # bytes that the pictures in work may take; one is worked on however large it is
_BYTES_PER_PIXEL = 10  # measured: a decoded picture and its copies as arrays

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_all_cores(
    work: Callable[[Item], Result], items: Sequence[Item], title: str, *, pictures: Iterable[Path]
) -> list[Result]:
    """Return `work(item)` for each item, in order; a terminal shows the progress under `title`.

    Threads share the cores: decoding, encoding and hashing, nearly all of the time, leave Python's lock.

    Args:
        work: opens one picture at a time.
        items: what to work on.
        title: what is being done.
        pictures: all that will be opened; the largest decides how many are worked on at once.
    """
    largest = max(map(_num_pixels, pictures), default=0)
    workers = max(1, min(os.cpu_count() or 1, _MEMORY // max(1, largest * _BYTES_PER_PIXEL)))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with (
        ThreadPoolExecutor(workers) as pool,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        return list(progress.track(pool.map(work, items), total=len(items), description=title))


def _num_pixels(picture: Path) -> int:
    try:
        _, height, width = read_header(picture)
    except ImageError:
        return 0  # nothing of it will be decoded
    return height * width
