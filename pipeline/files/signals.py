"""How a stage or a command ends early: on SIGTERM or SIGINT; a stage when the dvc that started it has died, too."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import FrameType
from typing import NoReturn

import psutil

_CLEAN_UP_SECONDS = 60
_LOOK_EVERY = 1.0  # seconds
_STAGE_VARIABLE = "DVC_STAGE"  # dvc sets it in the environment of the stages that it runs


def end_while_starting(again: str) -> None:
    """Let SIGTERM and SIGINT end the process at once, until `handled`, if it was started by `python -m`.

    KeyboardInterrupt within an import is swallowed by some libraries, which are broken then; nothing is to be cleaned
    up yet. A process that imports stages for other ends, such as a test's, is left alone.
    """
    if sys.argv[0] == "-m":  # while Python locates the module (documentation of -m), so in the package of it alone
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: _end(number, again))


def _end(number: int, again: str) -> NoReturn:
    with suppress(OSError):  # nobody reads it any more
        os.write(2, _ended(number, again).encode())
    os._exit(128 + number)


def _ended(number: int, again: str) -> str:
    return f"ended by {signal.Signals(number).name}; the next {again} continues from what is complete\n"


@contextmanager
def importing() -> Iterator[None]:
    """On SIGINT, end the process at once with status 130: the block only imports, see `end_while_starting`."""
    if threading.current_thread() is not threading.main_thread():  # Python sets handlers in that one alone
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, _: os._exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def handled(again: str = "dvc repro") -> Iterator[None]:
    """On SIGTERM or SIGINT, end the block by KeyboardInterrupt and the process with status 128 + the signal's number.

    A second signal does not disturb the clean-up. After a minute SIGALRM kills the process, in case the clean-up
    hangs or a library swallowed the KeyboardInterrupt. The message names the command `again`, which continues.
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
        sys.stderr.write(_ended(caught[0], again))
        sys.exit(128 + caught[0])  # whatever the interrupt led to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def terminable() -> Iterator[None]:
    """On SIGTERM, end the block by SystemExit with status 143, so that it cleans up; after a minute SIGALRM kills it.

    A second signal does not disturb the clean-up.
    """
    caught: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            signal.alarm(_CLEAN_UP_SECONDS)
            sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Restore the SIGTERM handler after a block that installs one raising SystemExit, as ray.init does."""
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
    """Send this process SIGTERM once the dvc that started it has died: killed alone, dvc leaves its stage running.

    A process that dvc did not start is left alone: run by hand, under nohup, it may outlive its shell.
    """
    if _STAGE_VARIABLE not in os.environ:
        return

    def watch() -> None:
        while not _is_orphaned():
            time.sleep(_LOOK_EVERY)
        signal.pthread_kill(main, signal.SIGTERM)

    main = threading.main_thread().ident or 0
    threading.Thread(target=watch, daemon=True).start()


def _ancestry() -> list[int]:
    """Return the PIDs of this process, of those between it and dvc, and of dvc; dash stays between, bash does not.

    Only PIDs are compared: psutil's own search for a parent compares start times, which a changed clock falsifies.
    """
    pids = [os.getpid()]
    with suppress(psutil.Error):  # a process that has ended, or is another user's
        while _STAGE_VARIABLE in psutil.Process(pids[-1]).environ():
            pids.append(psutil.Process(pids[-1]).ppid())
    return pids


def _is_orphaned() -> bool:
    try:
        return any(psutil.Process(child).ppid() != parent for child, parent in pairwise(_ANCESTRY))
    except psutil.NoSuchProcess:
        return True


_ANCESTRY = _ancestry()  # on import: a stage's other imports take seconds, during which dvc may be killed
