"""The jobs of a cluster, asked of its head over HTTP: to submit one, to list and to stop them.

Ray takes a name once, also after a job was deleted (its documentation of delete_job), so a job that died is submitted
again as <id>.2: a new attempt at the same job.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.cluster import head, submission
from pipeline.cluster.failures import JobError
from pipeline.cluster.submission import Submission
from pipeline.files.redact import redact
from pipeline.files.storage_address import VARIABLE as STORAGE_VARIABLE

LOCAL = "http://127.0.0.1:8265"  # where a head without further settings answers, on its own machine
_ENTRYPOINT = "python -m pipeline.cluster.job"
# A stage that is stopped cleans up for up to 60 s; Ray would kill it after 3. Ray reads this in the process that runs
# the job's command, which gets the job's variables: the head needs no setting.
_STOP = {"RAY_JOB_STOP_WAIT_TIME_S": "75"}
_ID, _INPUTS, _STORAGE, _COMMIT = "segnet_job", "segnet_inputs", "segnet_storage", "segnet_commit"
_CONFLICT, _NOT_FOUND = "already exists", "status code 404"  # in the texts of Ray's errors, which have no types
_TRIES = 3
_EVERY = 0.5  # seconds between questions for the status


class UnreachableError(JobError):
    """The cluster's head does not answer; a later try may succeed."""


@dataclass(frozen=True)
class Job:
    """One attempt at a job, as the cluster knows it."""

    id: str
    attempt: int
    """From 1."""
    name: str
    """What Ray calls this attempt."""
    status: str
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    message: str
    """What Ray says about the status; of a failed job, with the end of its log."""
    inputs: str
    storage: str
    """Address of the storage that gets its results."""
    commit: str
    started: float | None
    ended: float | None
    """Seconds since 1970."""

    @property
    def has_ended(self) -> bool:
        """Whether its status is final."""
        return self.status in {"SUCCEEDED", "FAILED", "STOPPED"}


class Jobs:
    """The jobs that `segnet submit` sent to a cluster."""

    def __init__(self, address: str | None = None) -> None:
        """Connect to a head.

        Args:
            address: of its dashboard, http://head:8265; by default what RAY_API_SERVER_ADDRESS or, if it is such an
                address, RAY_ADDRESS names, or else the one on this machine.

        Raises:
            UnreachableError: it does not answer.
            ValueError: it is no such address, or refuses the token, or packages are missing here.
        """
        named = [os.environ[name] for name in head.ADDRESSES if os.environ.get(name, "").startswith("http")]
        self.address = (address or next(iter(named), LOCAL)).rstrip("/")
        if not re.fullmatch(r"https?://[^@/]+(/[^@]*)?", self.address):
            raise JobError(f"--address: expected http://head:8265, got {redact(self.address)}; correct it")
        with self._asked():
            self.client = head.client(self.address)

    def submit(self, job: Submission, *, after_success: bool = False) -> tuple[Job, bool]:
        """Submit a job, unless it runs or has succeeded; return its last attempt, and whether that is a new one.

        Args:
            job: what to submit.
            after_success: submit it also if it has succeeded.

        Raises:
            UnreachableError: the head does not answer.
            ValueError: a job of that name has other inputs, or the head refuses.
        """
        over = {"FAILED", "STOPPED", *(["SUCCEEDED"] if after_success else ())}
        for tries_left in reversed(range(_TRIES)):
            attempts = [each for each in self.list() if each.id == job.order.id]
            last = attempts[-1] if attempts else None
            if last is not None and last.inputs != job.inputs:
                raise JobError(
                    f"--id {last.id}: expected the inputs that this job was submitted with, got others (files, stages, "
                    "params, storage or variables); choose another --id"
                )
            if last is not None and last.status not in over:
                return last, False
            attempt = last.attempt + 1 if last else 1
            name = job.order.id if attempt == 1 else f"{job.order.id}.{attempt}"
            try:
                return self.send(job, name), True
            except JobError as err:
                if _CONFLICT not in str(err) or not tries_left:
                    raise
                # Somebody else submits the same job: theirs is the attempt.
        raise AssertionError

    def list(self) -> list[Job]:
        """Return all attempts at all jobs, those of a job in order, jobs in the order of their first attempts."""
        with self._asked():
            attempts = [_job(each) for each in self.client.list_jobs() if _ID in (each.metadata or {})]
        first: dict[str, float] = {}
        for each in attempts:
            first[each.id] = min(each.started or 0.0, first.get(each.id, float("inf")))
        return sorted(attempts, key=lambda each: (first[each.id], each.id, each.attempt))

    def find(self, job_id: str) -> Job:
        """Return the last attempt at a job.

        Raises:
            ValueError: the cluster does not know it.
        """
        attempts = [each for each in self.list() if job_id in (each.id, each.name)]
        if not attempts:
            raise self._unknown(job_id)
        return attempts[-1]

    def get(self, name: str) -> Job:
        """Return an attempt, by Ray's name for it.

        Raises:
            UnreachableError: the head does not answer.
            ValueError: it does not know it.
        """
        try:
            with self._asked():
                return _job(self.client.get_job_info(name))
        except JobError as err:
            if _NOT_FOUND not in str(err):
                raise
            raise self._unknown(name) from err

    def stop(self, job: Job) -> Job:
        """Stop an attempt, wait until its stage has cleaned up, and return it as it has ended."""
        with self._asked():
            self.client.stop_job(job.name)
        while not (job := self.get(job.name)).has_ended:
            time.sleep(_EVERY)
        return job

    def log(self, job: Job) -> str:
        """Return all that an attempt has printed so far."""
        with self._asked():
            return str(self.client.get_job_logs(job.name))

    def send(self, job: Submission, name: str, command: str = _ENTRYPOINT, *, labelled: bool = True) -> Job:
        """Let the head run `command` in the job's files; without labels, `list` leaves it out.

        Raises:
            ValueError: the head does not answer, or refuses.
        """
        order = job.order
        labels = {_ID: order.id, _INPUTS: job.inputs, _STORAGE: order.storage, _COMMIT: order.origin.commit}
        with TemporaryDirectory() as folder:
            package = submission.package(job, Path(folder))
            environment = {
                "working_dir": str(package),
                "env_vars": {**_STOP, STORAGE_VARIABLE: order.storage, **job.variables},
            }
            with self._asked():
                self.client.submit_job(
                    entrypoint=command,
                    submission_id=name,
                    runtime_env=environment,
                    metadata=labels if labelled else {},
                )
        return self.get(name)

    def remove(self, job: Job) -> None:
        """Stop an attempt if it runs, and let the head forget it."""
        if not self.get(job.name).has_ended:
            self.stop(job)
        with self._asked():
            self.client.delete_job(job.name)

    def _unknown(self, name: str) -> JobError:
        return JobError(
            f"expected a job of {self.address}, got {name}, which it does not know (a head that is started anew has "
            "forgotten its jobs); segnet jobs lists them; submitted again, a job resumes"
        )

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Turn what Ray's client raises into errors that say what to do.

        Raises:
            UnreachableError, JobError: as they say.
        """
        try:
            yield
        except OSError as err:  # requests' own errors, too
            raise UnreachableError(
                f"expected an answer from {self.address}, got: {err}; check --address, the network, and that the head "
                "runs with its dashboard (ray[default])"
            ) from err
        except RuntimeError as err:
            raise JobError(f"expected {self.address} to obey, got: {err}; see the head's logs") from err
        except Exception as err:
            if type(err).__name__ != "AuthenticationError":
                raise
            raise JobError(
                f"expected {self.address} to accept the token, got {str(err).splitlines()[0]}; set RAY_AUTH_MODE=token "
                "and RAY_AUTH_TOKEN_PATH, or RAY_AUTH_TOKEN, to the cluster's"
            ) from err


def _job(details: Any) -> Job:
    """Return an attempt as Ray describes it."""
    labels = details.metadata or {}
    job_id = labels.get(_ID, details.submission_id)
    attempt = details.submission_id[len(job_id) :].lstrip(".")
    return Job(
        job_id,
        int(attempt) if attempt.isdecimal() else 1,
        details.submission_id,
        details.status.value,
        details.message or "",
        labels.get(_INPUTS, ""),
        labels.get(_STORAGE, ""),
        labels.get(_COMMIT, "unknown"),
        details.start_time / 1000 if details.start_time else None,
        details.end_time / 1000 if details.end_time else None,
    )
