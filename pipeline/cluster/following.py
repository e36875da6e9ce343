"""Following a job to its end: its log is shown as it is written, and its status says when it has ended.

The end of a log says nothing: Ray ends it on a lost connection too (ray #57002, #60665), and it may also fall silent.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress

from pipeline.cluster.failures import JobError
from pipeline.cluster.jobs import Job, Jobs, UnreachableError

FAILED = "job failed: "
"""Start of a failed job's last line, which says why."""
_EVERY = 1.0  # seconds between questions for the status
_PAUSE = 10.0  # the longest, between connections that fail
_SILENT = 30.0  # seconds without a line after which a connection is made anew; doubled as long as that brings nothing
_LONGEST_SILENCE = 600.0
_OF_RAY = re.compile(r"^([\d:, -]+\tINFO job_manager\.py|Running entrypoint for job )")  # of no news to the user

_log = logging.getLogger(__name__)


class Log:
    """The lines of a log, each shown once, whatever parts of it arrive, in whatever connection."""

    def __init__(self, show: Callable[[str], None]) -> None:
        """Show lines by `show`."""
        self._show, self._started, self.end = show, "", 0
        self.last = ""
        """The last line that is not empty."""

    def take(self, start: int, text: str) -> None:
        """Take a part of the log that starts at character `start`; what is known of it is left out.

        Parts of one connection follow each other from 0, so that none is missed.
        """
        new = text[max(0, self.end - start) :]
        self.end = max(self.end, start + len(text))
        *lines, self._started = (self._started + new).split("\n")
        for line in lines:
            self._line(line)

    def close(self) -> None:
        """Show the last line, which may lack its end."""
        if self._started:
            self._line(self._started)
        self._started = ""

    def _line(self, line: str) -> None:
        if line.strip():
            self.last = line.strip()
        if not _OF_RAY.match(line):
            self._show(line)


def follow(jobs: Jobs, job: Job, show: Callable[[str], None]) -> tuple[Job, str]:
    """Show a job's log until the job has ended; return it with its final status, and why it failed, if it did.

    A head that does not answer is asked again for as long as it takes.

    Raises:
        ValueError: the cluster does not know the job any more.
    """
    log = Log(show)
    ended = asyncio.run(_follow(jobs, job, log))
    with suppress(JobError):  # without it, what was seen and the status still say enough
        log.take(0, jobs.log(job))
    log.close()
    return ended, reason(ended, log.last) if ended.status == "FAILED" else ""


def reason(job: Job, last: str) -> str:
    """Return why a job failed: what its last line says, or else what Ray says of it."""
    if last.startswith(FAILED):
        return last.removeprefix(FAILED)
    lines = [line.strip() for line in job.message.splitlines() if line.strip()]
    if named := [line for line in lines if line.startswith(FAILED)]:
        return named[-1].removeprefix(FAILED)
    first = lines[0] if lines else "Ray does not say why"
    return f"{first} {last or lines[-1]}" if lines and first.endswith(":") else first


async def _follow(jobs: Jobs, job: Job, log: Log) -> Job:
    tail, is_away = _Tail(jobs, job, log), False
    while True:
        try:
            job = await asyncio.to_thread(jobs.get, job.name)
            if is_away:
                _log.info(f"{jobs.address} answers again")
            is_away = False
        except UnreachableError as err:
            if not is_away:
                _log.warning(f"{err}; the job continues, and this command asks again until it is interrupted")
            is_away = True
        if job.has_ended:
            break
        await tail.tend()
        await asyncio.sleep(_EVERY)
    await tail.close()
    return job


class _Tail:
    """The connection by which a log arrives; made anew when it ends or falls silent."""

    def __init__(self, jobs: Jobs, job: Job, log: Log) -> None:
        self._jobs, self._job, self._log = jobs, job, log
        self._task: asyncio.Task[None] | None = None
        self._known, self._heard = 0, time.monotonic()
        self._pause, self._silence = 0.0, _SILENT

    async def tend(self) -> None:
        """Connect if there is no connection, or if nothing has come by it for long."""
        now = time.monotonic()
        if self._log.end > self._known:
            self._known, self._heard, self._pause, self._silence = self._log.end, now, 0.0, _SILENT
        if self._task is not None and not self._task.done() and now - self._heard > self._silence:
            await self.close()
            self._silence, self._heard = min(2 * self._silence, _LONGEST_SILENCE), now
        if self._task is None or self._task.done():
            await self.close()
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause + _EVERY, _PAUSE)
            self._task = asyncio.create_task(self._receive())

    async def close(self) -> None:
        """End the connection; why it ended by itself is of no interest, since the status decides."""
        if self._task is None:
            return
        self._task.cancel()
        (ended,) = await asyncio.gather(self._task, return_exceptions=True)
        if isinstance(ended, Exception):
            _log.debug(f"the log of the job broke off: {ended!r}")
        self._task = None

    async def _receive(self) -> None:
        start = 0
        async for text in self._jobs.client.tail_job_logs(self._job.name):
            self._log.take(start, text)
            start += len(text)
