"""What a job runs on the cluster, in the folder of the files that were sent: python -m pipeline.cluster.job.

DVC's outputs come from its remote, if there is one; the stages that are left are run; then outputs go to the remote,
and lock, reports and model into storage.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from pipeline.files import terminal  # needs nothing but Python

try:
    import psutil

    from pipeline.cluster import failures, results, submission
    from pipeline.cluster.following import FAILED
    from pipeline.cluster.submission import Order
    from pipeline.files import dvc, log, storage_trial
    from pipeline.files.storage import Storage
    from pipeline.files.storage_address import VARIABLE as STORAGE_VARIABLE
    from pipeline.files.terminal import complain, say
    from pipeline.tracking import clone, origin
except ModuleNotFoundError as err:
    terminal.fail(
        "job failed: ",
        f"expected the packages of requirements.lock for {sys.executable}, got: {err}; start the cluster's head (ray "
        "start) with the environment activated that has them",
    )

_LOOK_EVERY = 1.0  # seconds
_LAST_LINES = 5.0  # seconds that output may take to arrive after dvc has ended
_DATA = {"download", "validate", "tile"}  # stages that record nothing in MLflow
_RUNNING = re.compile(r"Running stage '(?P<stage>[^']*)':")
_FAILED_STAGE = re.compile(r"ERROR: failed to reproduce '(?P<stage>[^']*)'")
# DVC 3.67 exits with 0 where the remote lacks an output, but with 1 where it has a folder and lacks a file of it.
_MISSING = re.compile(
    r"ERROR: failed to (transfer '.*(no such |does not exist|not found)|pull data from the cloud - \d+ files? )",
    re.IGNORECASE,
)
_ERROR = re.compile(r"(error|\w+(\.\w+)*(Error|Exception)): ")


def main() -> int:
    """Run the job in the current folder; return its exit status: 0, 1 if it failed, 143 if it was stopped."""
    order = submission.read(Path(submission.FILE))
    storage = Storage(order.storage)
    set_up(order)
    if not os.environ.get(results.TRACKING) and not _DATA.issuperset(order.stages or {""}):
        raise failures.JobError(
            f"expected {results.TRACKING} to name a server, since nobody could reach runs and versions in this job's "
            "folder, got none; set it where you submit, or where the head is started"
        )
    storage_trial.try_out(storage)  # which else would be found to take nothing once all stages are done
    storage.delete([results.name(order.id)])  # of an attempt that failed
    remote = _remote()
    if remote is not None:
        _pull(remote)
    stages = _Stages()
    error = stages.reproduce(order.stages)
    if stages.stopped:
        say("the job was stopped; submit it again, and it resumes")
        return 128 + signal.SIGTERM
    pushed = remote is not None and _dvc("push", "--run-cache") == 0
    if remote is not None and not pushed and not error:
        error = "expected dvc push to succeed, got what it says above; the results are in storage: submit again"
    written = results.write(storage, order, Path(), stages.finished(), error=error, pushed=pushed)
    say(f"{len(written.files)} files are in {storage.address}/jobs/{order.id}: segnet fetch {order.id}")
    if error:
        complain(f"{FAILED}{error}")
    else:
        _tidy(pushed=pushed)
    return 1 if error else 0


def _tidy(*, pushed: bool) -> None:
    """Remove what is elsewhere too: Ray keeps the folder of a job that is over for as long as the head runs."""
    copies = [*Path("runs").glob("*/step-*")]  # the storage has them
    copies += [Path("data"), Path(".dvc/cache")] if pushed else []
    for path in copies:
        shutil.rmtree(path, ignore_errors=True)


def _end_with_parent() -> None:
    """Stop the job as Ray would once the process that started it has died: when a head dies, Ray kills that one alone.

    The job would continue unseen, beside the attempt that a new head is given.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        for process in [*psutil.Process().children(recursive=True), psutil.Process()]:
            with suppress(psutil.NoSuchProcess):
                process.terminate()

    parent = os.getppid()
    threading.Thread(target=watch, daemon=True).start()


def set_up(order: Order) -> None:
    """Set the environment of dvc and the stages, and DVC's setting that there is no git.

    Raises:
        ValueError: dvc does not run.
    """
    origin.write(Path("origin.json"), order.origin)
    os.environ |= {
        origin.VARIABLE: str(Path("origin.json").resolve()),
        STORAGE_VARIABLE: order.storage,
        "DVC_NO_ANALYTICS": "1",
        # dvc.yaml says `python`: the one that has this program, also if the head was started without it on PATH.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    clone.become(Path("runs"), hashlib.sha256(order.id.encode()).hexdigest()[:16])
    if os.environ.get("OMP_NUM_THREADS") == "1":  # Ray sets it for its own process, which has no CPU of its own
        del os.environ["OMP_NUM_THREADS"]
    if _dvc("config", "--local", "core.no_scm", "true") != 0:
        raise failures.JobError("expected dvc to run, got what it says above; install it at the head")


def _remote() -> str | None:
    """Return DVC's default remote; None if there is none, or it is a folder that this machine does not have."""
    if not (name := _setting("core.remote")):
        return None
    address = _setting(f"remote.{name}.url")
    if "://" not in address and not (Path(".dvc") / address).is_dir():  # a relative one starts there
        say(f"DVC's remote {name} is {address}, which this machine does not have: nothing is pulled or pushed")
        return None
    return name


def _setting(name: str) -> str:
    """Return a setting of DVC, empty if there is none."""
    return dvc.run("config", name).stdout.strip()


def _begin(*arguments: str) -> subprocess.Popen[str]:
    """Start DVC; what it prints is to be read, errors included."""
    say(f"> dvc {' '.join(arguments)}")
    return subprocess.Popen(  # noqa: S603  no shell
        ("dvc", *arguments),  # noqa: S607  found by the PATH of the environment
        env=dvc.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def _dvc(*arguments: str) -> int:
    say(f"> dvc {' '.join(arguments)}")
    command = ("dvc", *arguments)  # found by the PATH of the environment
    return subprocess.run(command, env=dvc.environment(), check=False).returncode  # noqa: S603  no shell


def _pull(remote: str) -> None:
    """Have DVC bring what its remote has; what is missing there is no error, and the stages make it.

    Raises:
        JobError: the remote cannot be read; everything would be made and registered again, and in the end not pushed.
    """
    errors = []
    with _begin("pull", "--run-cache", "--allow-missing") as process:
        for line in process.stdout or ():
            say(line.rstrip("\n"))
            sys.stdout.flush()
            errors += [line] if line.startswith("ERROR: ") else []
    if process.returncode and not (errors and all(map(_MISSING.match, errors))):
        raise failures.JobError(
            "expected dvc pull to succeed, got what it says above; correct the remote's address or credentials at the "
            f"head, or remove the remote (dvc remote remove {remote})"
        )


class _Stages:
    """Runs dvc repro, through SIGTERM too: whoever ends while a stage cleans up cannot be read from any more."""

    def __init__(self) -> None:
        self.stopped = False
        self._last, self._failed = "", ""
        self._begun: set[str] = set()

    def reproduce(self, stages: tuple[str, ...]) -> str:
        """Bring stages up to date; return why one failed, in one line, or an empty string."""
        before = signal.signal(signal.SIGTERM, self._stop)
        try:
            process = _begin("repro", *stages)
            # In a thread, since a process that a stage left behind may hold the output open long after dvc has ended.
            reader = threading.Thread(target=self._read, args=(process.stdout or (),), daemon=True)
            reader.start()
            process.wait()
            reader.join(_LAST_LINES)
        finally:
            signal.signal(signal.SIGTERM, before)
        if process.returncode == 0:
            return ""
        return f"{self._failed}: {self._last}" if self._failed else self._last

    def finished(self) -> set[str]:
        """Return the stages that `reproduce` ran, but for one that failed; those that were up to date are not run."""
        return self._begun - {self._failed}

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            say(line.rstrip("\n"))
            sys.stdout.flush()
            if match := _RUNNING.match(line):
                self._last = ""
                self._begun.add(match["stage"])
            if match := _FAILED_STAGE.search(line):
                self._failed = match["stage"]
            elif not self._failed and line.strip() and (_ERROR.match(line) or not _ERROR.match(self._last)):
                self._last = line.strip()

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.stopped = True


if __name__ == "__main__":
    log.to_stderr()
    _end_with_parent()
    try:
        raise SystemExit(main())
    except ValueError as err:
        terminal.fail(FAILED, err)
