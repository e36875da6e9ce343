"""`segnet submit | jobs | attach | fetch | stop`: the pipeline as a job of a Ray cluster."""

import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from pipeline import params as settings
from pipeline.cli import completion, overridden
from pipeline.cluster import fetch as fetching, following, results, submission
from pipeline.cluster.failures import JobError
from pipeline.cluster.jobs import Job, Jobs
from pipeline.files.redact import redact
from pipeline.files.storage import Storage, StorageError
from pipeline.files.storage_address import chosen_address
from pipeline.files.terminal import complain, error_line, say, say_json
from pipeline.params import Params

Address = Annotated[
    str | None, typer.Option(help="The head's dashboard, http://head:8265; by default RAY_API_SERVER_ADDRESS.")
]
StorageAddress = Annotated[
    str | None, typer.Option("--storage", help="Where results go: s3://bucket/prefix, gs://, az:// or file:///folder.")
]
Id = Annotated[str, typer.Argument(help="Name of the job, as segnet submit and segnet jobs print it.", metavar="ID")]
_STOPPED = 130
_PATIENCE = timedelta(seconds=10)
_SHOWN = 10  # names of files that are not sent


def submit(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages to run; all by default.", metavar="STAGE")] = None,
    *,
    address: Address = None,
    storage: StorageAddress = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow the job.")] = False,
    job_id: Annotated[str | None, typer.Option("--id", help="The job's name; by default a hash of its inputs.")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "-S",
            "--set-param",
            help="A value of params.yaml for this job: key=value.",
            autocompletion=completion.param_keys,
        ),
    ] = None,
) -> None:
    """Run the pipeline on a Ray cluster: what git tracks is sent, with params.yaml and dvc.lock as they are.

    The same submission again attaches to the job that runs, or resumes one that died or whose results are lost. Ctrl-C
    leaves the job running. Exit codes: 0 the job succeeded or runs on, 1 it failed, 130 it was stopped.
    """
    place = _storage(storage, overridden.read(override or ())[0])
    job = submission.prepare(stages or (), override or (), place, job_id=job_id)
    if job.left_out:
        more = f" and {len(job.left_out) - _SHOWN} more" if len(job.left_out) > _SHOWN else ""
        say(f"not sent, since git does not track them: {', '.join(job.left_out[:_SHOWN])}{more}")
    if kept := submission.kept(os.environ):
        say(f"not passed on, being no http:// or https:// address: {', '.join(kept)}; the head's own are used")
    jobs = Jobs(address)
    attempt, is_new = jobs.submit(job)
    if not is_new and attempt.status == "SUCCEEDED" and _are_lost(attempt):
        say(f"{attempt.id} succeeded, but its results in {attempt.storage} are lost: it runs again")
        attempt, is_new = jobs.submit(job, after_success=True)
    origin = job.order.origin
    dirty = f" with changes in {', '.join(origin.changed)}" if origin.changed else ""
    if is_new:
        again = f", attempt {attempt.attempt}" if attempt.attempt > 1 else ""
        say(
            f"{attempt.id}{again}: {len(job.files)} files of commit {origin.commit[:12]}{dirty}, sent to {jobs.address}"
        )
    else:
        say(f"{attempt.id} was submitted before: {attempt.status}")
    if detach:
        _say_how(attempt, address)
    else:
        _follow(jobs, attempt, address)


def jobs(
    *,
    address: Address = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the jobs that were submitted to a cluster, the newest last."""
    cluster = Jobs(address)
    attempts = cluster.list()
    last = list({attempt.id: attempt for attempt in attempts}.values())
    if json:
        say_json([asdict(job) for job in last])
        return
    if not last:
        say(f"no job was submitted to {cluster.address}")
        return
    width = max(len(job.id) for job in last)
    for job in last:
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.started)) if job.started else " " * 16
        seconds = (job.ended or time.time()) - job.started if job.started else 0.0
        attempt = f"  attempt {job.attempt}" if job.attempt > 1 else ""
        say(f"{job.id:{width}}  {job.status:9}  {begun}  {_duration(seconds):>8}  {job.commit[:12]}{attempt}")


def attach(job_id: Id, *, address: Address = None) -> None:
    """Follow a job to its end, from the first line of its log. Ctrl-C leaves the job running.

    Exit codes: 0 the job succeeded or runs on, 1 it failed, 130 it was stopped.
    """
    cluster = Jobs(address)
    _follow(cluster, cluster.find(job_id), address)


def stop(job_id: Id, *, address: Address = None) -> None:
    """Stop a job, and wait until its stage has cleaned up; submitted again, it resumes."""
    cluster = Jobs(address)
    job = cluster.find(job_id)
    if job.has_ended:
        say(f"{job.id} has ended before: {job.status}")
        return
    say(f"{job.id}: {cluster.stop(job).status}")


def fetch(
    job_id: Id,
    *,
    address: Address = None,
    storage: StorageAddress = None,
    json: Annotated[bool, typer.Option("--json", help="Print the job's record as JSON.")] = False,
) -> None:
    """Bring a job's lock, reports and model into the working tree.

    A file that was changed since the job was submitted is not overwritten; if there is one, nothing is written.
    """
    from_storage = _named(storage, settings.load()) or Jobs(address).find(job_id).storage
    results = fetching.fetch(Storage(from_storage), job_id)
    if json:
        say_json(asdict(results))
        return
    say(f"{results.id} {results.status}: {len(results.files)} files fetched: {', '.join(_tops(results.files))}")
    for version in results.versions:
        say(f"registered: {version} in {results.tracking}")
    if results.left:
        left = "dvc pull brings them" if results.pushed else "they stay on the cluster, since no DVC remote has them"
        say(f"not fetched: {', '.join(results.left)}; {left}")
    if results.error:
        complain(f"segnet: job {results.id} failed: {error_line(results.error)}")


def _are_lost(job: Job) -> bool:
    """Return whether a job's storage lacks results; one that cannot be asked from here may have them."""
    storage = Storage(job.storage, patience=_PATIENCE)
    if storage.folder is not None and not storage.folder.is_dir():
        return False  # of the cluster's machines alone
    try:
        return not results.are_complete(storage, job.id)
    except StorageError:
        return False


def _follow(jobs: Jobs, job: Job, address: str | None) -> None:
    """Show a job's log until it ends, and end with the exit code that its status means."""
    try:
        job, why = following.follow(jobs, job, lambda line: say(redact(line)))
    except KeyboardInterrupt:
        say("", f"{job.id} continues")
        _say_how(job, address)
        return
    if job.status == "SUCCEEDED":
        say(f"{job.id} succeeded: segnet fetch {job.id}")
    elif job.status == "FAILED":
        complain(f"segnet: job {job.id} failed: {error_line(why)}")
        raise typer.Exit(1)
    else:
        complain(f"segnet: job {job.id} was stopped; submitted again, it resumes")
        raise typer.Exit(_STOPPED)


def _say_how(job: Job, address: str | None) -> None:
    option = f" --address {address}" if address else ""
    say(f"follow it: segnet attach {job.id}{option}", f"stop it: segnet stop {job.id}{option}")


def _storage(given: str | None, own: Params) -> str:
    """Return the address of the storage.

    Raises:
        ValueError: there is none.
    """
    if (address := _named(given, own)) is None:
        raise JobError(
            "expected a storage, since results would stay on a machine of the cluster, got local; set --storage, or "
            "storage.address in params.yaml, to s3://bucket/prefix, gs://, az://, or file:///folder of all machines"
        )
    return Storage(address).address


def _named(given: str | None, own: Params) -> str | None:
    """Return the storage that the option names, or the environment, or params.yaml; None: there is none."""
    return given or chosen_address(own.storage.address)


def _duration(seconds: float) -> str:
    """Return hours, minutes and seconds, such as 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _tops(paths: Iterable[str]) -> list[str]:
    """Return the folders and files at the top of the tree that hold these paths."""
    return sorted({path if "/" not in path else path.partition("/")[0] + "/" for path in paths})
