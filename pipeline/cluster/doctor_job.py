"""`segnet doctor` from outside a cluster, where nothing but the head's dashboard can be reached.

The checks run at the head, as a job that is no `segnet submit`: it has the files of one and prints one line of JSON.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.cluster import job, submission
from pipeline.cluster.doctor import Result
from pipeline.cluster.failures import JobError
from pipeline.cluster.jobs import Job, Jobs
from pipeline.files import log, strict_json, terminal
from pipeline.files.storage_address import LOCAL

_ANSWER = "doctor found: "
_SECONDS = 240.0  # for the job; its checks of nodes take under 60
_EVERY = 0.5  # seconds
_OF_THE_SENDER = {"params", "git", "sockets"}  # files and commit are sent; sockets are those of a Ray on one machine


def results(jobs: Jobs, storage: str | None, megabytes: int) -> Iterator[Result]:
    """Yield what the checks find at the head and on its cluster's nodes.

    Args:
        jobs: of the cluster.
        storage: address of the storage that a job would get; None: there is none.
        megabytes: size of the file that MLflow's store is tried with.

    Raises:
        ValueError: the files cannot be sent, or the job does not answer.
    """
    sent = submission.prepare((), (), storage or LOCAL, job_id=f"doctor-{secrets.token_hex(4)}")
    command = f"python -m {__spec__.name} {megabytes}"
    started = jobs.send(sent, sent.order.id, command, labelled=False)
    try:
        answer = _answer(jobs, started)
    finally:
        jobs.remove(started)
    at_head = True
    for result in answer:
        at_head = at_head and result.name != "cluster"  # the first of those that look at the nodes
        if not at_head:
            yield result
        elif result.name not in _OF_THE_SENDER:
            yield Result(f"head: {result.name}", result.ok, result.detail, result.fix)


def _answer(jobs: Jobs, started: Job) -> list[Result]:
    deadline = time.monotonic() + _SECONDS
    while not started.has_ended:
        if time.monotonic() > deadline:
            raise JobError(
                f"expected the checks at the head to end within {_SECONDS:.0f} s, got {started.status}; look at the "
                "job's log on the dashboard"
            )
        time.sleep(_EVERY)
        started = jobs.get(started.name)
    lines = jobs.log(started).splitlines()
    for line in reversed(lines):
        if line.startswith(_ANSWER):
            tree = json.loads(line.removeprefix(_ANSWER))
            return strict_json.parse(json.dumps(tree["checks"]).encode(), list[Result])
    last = next((line for line in reversed(lines) if line.strip()), started.message)
    raise JobError(f"expected the checks at the head to answer, got {started.status}: {last}; correct that at the head")


def main() -> None:
    """At the head: run the checks there and on the nodes of its cluster, and print what they find, in one line."""
    job.set_up(submission.read(Path(submission.FILE)))
    command = (sys.executable, "-m", "pipeline.cli", "doctor", "--json", "--megabytes", sys.argv[1])
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603  no shell
    sys.stderr.flush()
    terminal.say(f"{_ANSWER}{json.dumps(json.loads(done.stdout))}" if done.stdout else f"exit code {done.returncode}")


if __name__ == "__main__":
    log.to_stderr()
    main()
