"""Processes for work that holds the GIL, which threads would do one after the other."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_received: list[Callable[[Any], Any]] = []  # in a process of the pool: the work that it was started for


@contextmanager
def pool(
    work: Callable[[Item], Result], count: int, purpose: str, remedy: str
) -> Iterator[Callable[[Sequence[Item]], Future[list[Result]]]]:
    """Yield a function that has one of `count` processes do the work with some items, and returns their results.

    The processes end with this one, however it ends; of Ctrl-C it alone learns. All but `work`, which each receives
    once, and the items start anew in them.

    Raises:
        ValueError: a process was killed; the message says for what `purpose` they were, and the `remedy`.
    """
    context = multiprocessing.get_context("spawn")  # forking a process that has threads may hang
    try:
        with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(work,)) as executor:
            yield lambda items: executor.submit(_work, items)
    except BrokenProcessPool as err:
        raise ValueError(
            f"expected {count} processes to {purpose}, got one that was killed (out of memory?); {remedy}, then "
            "try again"
        ) from err


def _begin(work: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _received.append(work)


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _work(items: Sequence[Any]) -> list[Any]:
    [work] = _received
    return [work(item) for item in items]
