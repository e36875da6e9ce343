"""What would make the pipeline fail on this machine, found before it runs: one check per cause, each with its fix."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import torch
from packaging.requirements import Requirement

from pipeline.cluster import local
from pipeline.files.printable import ManyLinesError
from pipeline.files.terminal import error_line
from pipeline.tracking import environment

DISTRIBUTION = "segnet-pipeline"
MEMORY_BYTES, DISK_BYTES, TEMPORARY_BYTES = 3_500_000_000, 2_000_000_000, 500_000_000
"""Least free memory, disk in the working tree, and disk for temporary files. With the built-in data set, all processes
of `make repro` had 3.4 GB of memory at most (PSS, sampled every 3 s), and it left 0.15 GB; the rest is margin."""
_SHARED = Path("/dev/shm")  # noqa: S108  # Linux's shared memory, where Ray keeps its object store
_SECONDS = 30  # for a program to answer
_LONGEST = 400  # characters of a library's error that are shown
_FIXES = {
    "data set": "correct dataset in params.yaml, or make its files readable",
    "git": "run git status and see",
    "dvc": "run dvc doctor and see",
    "MLflow": "correct MLFLOW_TRACKING_URI, or look after the store that it names: its log, or its file",
    "storage": "check the storage's address, the network and the credentials (AWS_ACCESS_KEY_ID ...)",
    "cluster": "check --address, the network, and that ray status at the head shows its nodes",
    "jobs": "check --address, the network, and that the head runs with its dashboard (ray[default])",
}
"""What to do about an error, of a check, that does not say it itself."""
_FIX = "correct what the error names; if that is nothing of yours, report it as a fault of this program"


class CheckError(ValueError):
    """Something that would make the pipeline fail."""

    def __init__(self, fault: str, fix: str) -> None:
        """Keep what is wrong, and what to do about it."""
        super().__init__(f"{fault}; {fix}")
        self.fault, self.fix = fault, fix


@dataclass(frozen=True)
class Result:
    """The result of a check."""

    name: str
    ok: bool
    detail: str
    """What was found; several lines where several faults were."""
    fix: str
    """What to do; empty if it is ok."""


def examine(checks: Mapping[str, Callable[[], str]]) -> Iterator[Result]:
    """Yield the result of each check, which returns what it found or raises; any error is a result that fails."""
    for name, check in checks.items():
        try:
            yield Result(name, ok=True, detail=check(), fix="")
        except Exception as err:  # of any library: the other checks are still wanted
            yield failed(name, err)


def unbroken(name: str, results: Iterator[Result]) -> Iterator[Result]:
    """Yield the results; an error between two of them is one more, of that name, that fails."""
    try:
        yield from results
    except Exception as err:
        yield failed(name, err)


def failed(name: str, err: Exception) -> Result:
    """Return the result of a check that an error ended, with what the error says is to be done, or what mostly is."""
    if isinstance(err, CheckError):
        return Result(name, ok=False, detail=err.fault, fix=err.fix)
    if isinstance(err, ValueError) and type(err).__module__.startswith(("builtins", "pipeline.")):
        fault, fix = _parted(err)  # of a room that says itself what was expected and what to do
    else:
        fault, fix = error_line(f"{type(err).__name__}: {err}")[:_LONGEST], ""
        if isinstance(err, ImportError) and err.name:
            fix = f"install {err.name} beside this program, or choose what needs no such package"
    return Result(name, False, fault, fix or _FIXES.get(name.removesuffix(" from here"), _FIX))


def _parted(err: ValueError) -> tuple[str, str]:
    """Return what an error says that was found, and what to do, if it says so: its last part, or its last line.

    Of several faults, which are indented below a heading, each has a line that says both.
    """
    lines = [error_line(line) for line in (err.args if isinstance(err, ManyLinesError) else (err,))]
    if len(lines) > 1 and not lines[-1].startswith(" "):
        return "\n".join(lines[:-1]), lines[-1]
    if len(lines) > 2:
        return "\n".join(lines), "correct each, as its line says"
    text = " ".join(map(str.strip, lines))
    fault, _, fix = text.rpartition("; ")
    return (fault, fix) if fault else (text, "")


def packages() -> str:
    """Check that what is installed is what pyproject.toml requires."""
    required = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    wrong = []
    for each in required:
        if each.marker is not None and not each.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(each.name)
        except metadata.PackageNotFoundError:
            version = "none"
        if version == "none" or not each.specifier.contains(version, prereleases=True):
            wrong.append(f"{each.name} {version} in place of {each.specifier}")
    if wrong:
        raise CheckError(", ".join(wrong), "install what requirements.lock pins: make setup")
    return f"{len(required)} packages as pyproject.toml requires, torch {torch.__version__}"


def git() -> str:
    """Check that a commit can be recorded with each result."""
    commit, _ = environment.commit()
    if commit == "unknown":
        raise CheckError("no git, or no commit here", "install git, and commit: results are traced to a commit")
    changed = environment.changed_files()
    return f"commit {commit[:12]}" + (f", from which differ: {', '.join(changed[:3])}" if changed else "")


def dvc() -> str:
    """Check that DVC runs, that its cache can be written to, and that it can ask its remote, if there is one."""
    version, folder = _output("dvc", "--version"), _output("dvc", "cache", "dir")
    if version is None:
        raise CheckError("no command dvc", "source .venv/bin/activate, after make setup")
    if folder is None:
        raise CheckError("no DVC repository here", "work in a clone of the repository")
    _check_writable(Path(folder))
    remote = _output("dvc", "remote", "default")
    if not remote:
        return f"dvc {version}; no default remote: data and models are on this machine alone"
    if _output("dvc", "status", "--cloud", "--quiet", "--json") is None:
        fault = f"dvc status --cloud fails for the remote {remote}"
        raise CheckError(fault, "run it and see; check address, network and credentials")
    return f"dvc {version}, remote {remote}"


def memory() -> str:
    """Check the memory that is available."""
    free = psutil.virtual_memory().available
    if free < MEMORY_BYTES:
        raise CheckError(
            f"{free / 1e9:.1f} GB of memory are free, {MEMORY_BYTES / 1e9:g} are needed",
            "end other programs, or use another machine; train.accumulation makes a training need less",
        )
    return f"{free / 1e9:.1f} GB are free"


def shared_memory() -> str:
    """Check /dev/shm, where Ray keeps its object store; containers often have 64 MB."""
    if not _SHARED.is_dir():
        return "this system has no /dev/shm"
    free = shutil.disk_usage(_SHARED).free
    if free < local.STORE_BYTES:
        raise CheckError(
            f"{free / 1e6:.0f} MB are free in {_SHARED}, {local.STORE_BYTES / 1e6:.0f} are needed",
            "start the container with more: docker run --shm-size 1g",
        )
    return f"{free / 1e9:.1f} GB are free"


def disk() -> str:
    """Check the free space of the working tree and of the folder for temporary files."""
    free = free_disk(Path(), DISK_BYTES)
    free_disk(Path(tempfile.gettempdir()), TEMPORARY_BYTES)
    return free


def free_disk(folder: Path, least: int) -> str:
    """Check that a folder can be written to, and that its disk has `least` bytes free."""
    _check_writable(folder)
    free = shutil.disk_usage(folder).free
    if free < least:
        raise CheckError(
            f"{free / 1e9:.1f} GB are free in {folder.absolute()}, {least / 1e9:g} are needed",
            "make room (segnet prune; dvc gc --workspace), or set TMPDIR to a disk with more",
        )
    return f"{free / 1e9:.1f} GB are free"


def sockets() -> str:
    """Check that Ray's sockets have a place."""
    with local.options() as options:
        return f"in {options.get('_temp_dir') or os.environ.get('RAY_TMPDIR') or tempfile.gettempdir()}"


def gpus() -> str:
    """Check that torch can use the GPUs that the driver shows."""
    shown = (_output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader") or "").splitlines()
    if shown and not torch.cuda.is_available():
        raise CheckError(
            f"{shown[0]}, which torch {torch.__version__} cannot use",
            "install a build of torch for the driver's CUDA version",
        )
    return f"{len(shown)} x {shown[0]}" if shown else "none: training runs on the CPU"


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as err:
        fault = f"{folder.absolute()} cannot be written to: {err.strerror}"
        raise CheckError(fault, "correct its owner or mode, or free space") from err


def _output(*command: str) -> str | None:
    """Return what a program prints, without the line break at its end; None if it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)  # noqa: S603  no shell
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip()
