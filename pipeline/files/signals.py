"""How a stage ends early: on SIGTERM and SIGINT, and when dvc, which started it, is gone."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import FrameType

import psutil

_CLEAN_UP_SECONDS = 60
_LOOK_EVERY = 1.0  # seconds
_OF_A_STAGE = "DVC_STAGE"  # what dvc sets in the environment of what it starts


@contextmanager
def handled() -> Iterator[None]:
    """End the block by KeyboardInterrupt on SIGTERM or SIGINT, and the process with status 128 + the signal.

    A second signal does not disturb the clean-up. That may take a minute; then SIGALRM kills the process, which also
    happens where a library swallowed the KeyboardInterrupt.
    """
    caught: list[signal.Signals] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        if not caught:
            caught.append(signal.Signals(number))
            signal.alarm(_CLEAN_UP_SECONDS)
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except BaseException:
        if not caught:
            raise
        sys.stderr.write(f"ended by {caught[0].name}; the next dvc repro resumes from here\n")
        sys.exit(128 + caught[0])  # whatever followed from the interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM after a block that sets one which raises SystemExit, as ray.init does."""
    handler, caught = signal.getsignal(signal.SIGTERM), False
    try:
        yield
    except SystemExit:
        caught = True
    finally:
        signal.signal(signal.SIGTERM, handler)
    if caught:
        signal.raise_signal(signal.SIGTERM)


def when_orphaned() -> None:
    """Send this process SIGTERM when the dvc that started it is gone: killed alone, dvc leaves its stage running.

    A process that dvc did not start is left alone: started by hand, under nohup, it may outlive its shell.
    """
    if _OF_A_STAGE not in os.environ:
        return

    def watch() -> None:
        while not _is_orphaned():
            time.sleep(_LOOK_EVERY)
        signal.pthread_kill(main, signal.SIGTERM)

    main = threading.main_thread().ident or 0
    threading.Thread(target=watch, daemon=True).start()


def _ancestry() -> list[int]:
    """Return this process, those between it and dvc, and dvc: a shell may lie between (dash stays, bash does not).

    By their numbers alone: psutil's own search for a parent compares start times, which a changed clock falsifies.
    """
    numbers = [os.getpid()]
    with suppress(psutil.Error):  # of one that has ended, or is another user's
        while _OF_A_STAGE in psutil.Process(numbers[-1]).environ():
            numbers.append(psutil.Process(numbers[-1]).ppid())
    return numbers


def _is_orphaned() -> bool:
    try:
        return any(psutil.Process(child).ppid() != parent for child, parent in pairwise(_ANCESTRY))
    except psutil.NoSuchProcess:
        return True


_ANCESTRY = _ancestry()  # early: a stage's imports take seconds, in which dvc may be killed
