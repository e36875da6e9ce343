"""Stages in processes of their own, as many at once as there is room for, that end with this one."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.files import repository, source_code
from pipeline.files.cores import confine

_CORES = 4  # of a process by default: more make a small network little faster
_LONGEST = 300  # characters of an error


@dataclass(frozen=True)
class Slot:
    """The part of this machine that one process may use."""

    cores: frozenset[int]
    """Empty: all of them."""
    gpu: str | None
    """As CUDA_VISIBLE_DEVICES names it; None: there is none, or all may be used."""


class StageError(ValueError):
    """A stage failed; the message says which, and its last words."""


def slots(wanted: int | None, gpus: Sequence[str], cores: Sequence[int]) -> tuple[Slot, ...]:
    """Return the parts into which this machine is divided: a GPU each, or a share of the cores where there is none.

    Args:
        wanted: number of parts; None: one per GPU or, without one, per four cores.
        gpus: of this machine, as CUDA_VISIBLE_DEVICES names them.
        cores: numbers of those that this process may use.

    Raises:
        ValueError: there is less room.
    """
    room, kind = (len(gpus), "GPUs") if gpus else (len(cores), "cores")
    count = wanted or (len(gpus) or max(1, len(cores) // _CORES))
    if count > room:
        raise ValueError(f"--jobs: expected at most the {room} {kind} of this machine, got {count}; lower it")
    shares = [frozenset(cores[i::count]) for i in range(count)]
    return tuple(Slot(share, gpus[i] if gpus else None) for i, share in enumerate(shares))


class Processes:
    """Runs stages in slots of this machine."""

    def __init__(self, places: Sequence[Slot]) -> None:
        """Divide the machine."""
        self._places: queue.Queue[Slot] = queue.Queue()
        for place in places:
            self._places.put(place)
        self._count = len(places)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._changing = threading.Lock()
        self._is_over = False

    def each(self, tasks: Sequence[Callable[[Slot], None]]) -> None:
        """Run all tasks, each in a slot; if one fails, or this process is interrupted, the others are ended.

        Raises:
            StageError: the first that a task raised.
        """
        with ThreadPoolExecutor(self._count) as threads:
            futures = [threads.submit(self._in_a_slot, task) for task in tasks]
            try:
                done = wait(futures, return_when=FIRST_EXCEPTION).done
                for future in (each for each in futures if each in done):  # a slot's next task may have failed too
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                self._end()
                raise

    def run(self, stage: str, folder: Path, log: Path, slot: Slot, variables: Mapping[str, str]) -> None:
        """Run a stage in `folder`; what it prints is added to the file `log`.

        Raises:
            StageError: it failed.
        """
        gpu = {} if slot.gpu is None else {"CUDA_VISIBLE_DEVICES": slot.gpu}
        # dvc's own variable makes a stage end when the process that started it has died (files/signals.py).
        own = {"PYTHONPATH": _python_path(), "DVC_STAGE": stage, **gpu, **variables}
        own[repository.VARIABLE] = str(folder.absolute())
        own["PYTHONUNBUFFERED"] = "1"  # otherwise an error comes before what was printed earlier
        with log.open("ab") as output:
            start = output.tell()
            with self._changing:
                if self._is_over:
                    raise StageError(f"{stage} was not started, since another fold failed")
                process = subprocess.Popen(  # noqa: S603  no shell
                    (sys.executable, "-m", f"stages.{stage}"),
                    cwd=folder,
                    env={**os.environ, **own},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others
                )
                self._running.add(process)
            if slot.cores:
                with suppress(ProcessLookupError):  # it has ended
                    confine(process.pid, slot.cores)
            status = process.wait()
        with self._changing:
            self._running.discard(process)
        if status:
            raise StageError(f"{stage} failed: {_last_line(log, start) or f'exit status {status}'}; all it said: {log}")

    def _in_a_slot(self, task: Callable[[Slot], None]) -> None:
        place = self._places.get()
        try:
            task(place)
        finally:
            self._places.put(place)

    def _end(self) -> None:
        """End what runs, and start no more; stages clean up, and so resume."""
        with self._changing:
            self._is_over = True
            for process in self._running:
                process.terminate()


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(source_code.ROOT), os.environ.get("PYTHONPATH"))))


def _last_line(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip()[:_LONGEST] for line in reversed(lines) if line.strip()), "")
