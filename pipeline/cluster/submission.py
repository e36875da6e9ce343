"""What a job is made of: the files that git tracks, params and lock as they are, and where they came from.

Ray's own upload of a folder leaves out what .gitignore names, which here includes params that a user does not track;
so the files are put into a ZIP file, which Ray takes as it is.
"""

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.cluster.failures import JobError
from pipeline.cluster.overrides import PARAMS, overridden
from pipeline.files import digest, git, repository, strict_json, tracking_address
from pipeline.tracking import environment
from pipeline.tracking.origin import Origin

LOCK = "dvc.lock"
FILE = "job.json"
"""Name of the file, beside those that are sent, that holds the job's `Order`."""
MAX_BYTES = 500 << 20  # Ray keeps packages in its head's memory, and takes 512 MiB at most
_NEVER = ("data/raw", "data/tiles", "models/segnet", ".dvc/cache", ".dvc/tmp", "runs", "mlruns", "mlartifacts")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a ZIP file can hold: the same files give the same bytes
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FORWARDED = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "SEGNET_MIRROR")


@dataclass(frozen=True)
class Order:
    """What a job is to do, and what it was made from."""

    id: str
    stages: tuple[str, ...]
    """Stages that are to be brought up to date; all, if none are named."""
    storage: str
    """Address of the storage that gets the results."""
    origin: Origin
    overridden: bool
    """Whether params.yaml was changed for this job alone."""
    before: Mapping[str, str]
    """SHA-256 of each file in the submitter's working tree that the job's results may replace."""


@dataclass(frozen=True)
class Submission:
    """A job that is ready to be sent."""

    order: Order
    inputs: str
    """SHA-256 over all that decides the job's results: files, stages, storage and variables."""
    variables: Mapping[str, str]
    """Environment variables of the job."""
    files: Mapping[str, bytes]
    """Contents by path."""
    executable: frozenset[str]
    """Paths of those that may be executed."""
    left_out: tuple[str, ...]
    """Files that git neither tracks nor ignores; they are not sent."""


def prepare(stages: Sequence[str], overrides: Sequence[str], storage: str, *, job_id: str | None = None) -> Submission:
    """Return the job that runs the current folder's files on a cluster.

    Args:
        stages: names of stages in dvc.yaml; none: all.
        overrides: values of params.yaml for this job, each as section.key=value.
        storage: address of the storage that gets the results.
        job_id: its name; by default it is `segnet-` and a hash of the inputs.

    Raises:
        ValueError: no git checkout, a file that cannot be sent, or a stage, override or variable that cannot be obeyed.
    """
    paths = tracked_files()
    files = {name: path.read_bytes() for name, path in paths.items()}
    if missing := [name for name in ("dvc.yaml", PARAMS) if name not in files]:
        raise JobError(f"expected {' and '.join(missing)} in the current folder; change to the repository's folder")
    _check_stages(stages, files["dvc.yaml"])
    changed = set(environment.changed_files())
    params = overridden(files[PARAMS], overrides)
    if params != files[PARAMS]:
        changed.add(PARAMS)
    is_overridden, files[PARAMS] = params != files[PARAMS], params
    variables = _variables(os.environ)
    executable = frozenset(name for name, path in paths.items() if os.access(path, os.X_OK))
    decide = [name for name in sorted(files) if name != LOCK and not name.startswith("reports/")]  # runs change those
    inputs = _sha256(
        {
            "files": {name: [hashlib.sha256(files[name]).hexdigest(), name in executable] for name in decide},
            "stages": sorted(stages),
            "storage": storage,
            "variables": variables,
        }
    )
    origin = Origin(environment.commit()[0], tuple(sorted(changed)), _changes(changed, files))
    name = job_id or f"segnet-{inputs[:16]}"
    check_id(name)
    order = Order(name, tuple(stages), storage, origin, is_overridden, dict(_before()))
    others = set(_listed("--others", "--exclude-standard")) - files.keys()
    left_out = tuple(sorted(name for name in others if not _is_below(name, (*_NEVER, "reports"))))
    return Submission(order, inputs, variables, files, executable, left_out)


def check_id(job_id: str) -> None:
    """Raise a JobError unless it can be the name of a job; storage and Ray use it in paths."""
    if not _ID.fullmatch(job_id):
        raise JobError(f"expected a job's name of letters, digits, - and _, at most 64, got {job_id!r}; correct it")


def kept(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return those of the user's variables that a job is not given: no http(s) addresses.

    A file's or a folder's is of this machine; a database needs a login that a job is not given either.
    """
    places = [name for name in _FORWARDED if environ.get(name) and name != "MLFLOW_EXPERIMENT_NAME"]
    return tuple(name for name in places if not environ[name].startswith(("http://", "https://")))


def tracked_files() -> dict[str, Path]:
    """Return the files of the current folder that git tracks, with params and lock, by path; none of the data.

    Raises:
        ValueError: this is no git checkout, or git tracks what cannot be sent: a submodule, or a link that leads out.
    """
    names = {*_listed(), PARAMS, LOCK}
    kept = sorted(name for name in names if not _is_below(name, _NEVER))
    present = {name: Path(name) for name in kept if os.path.lexists(name)}
    here = Path.cwd().resolve()
    for name, path in present.items():
        if not path.is_file() or not path.resolve().is_relative_to(here):
            kind = "a submodule" if path.is_dir() and not path.is_symlink() else "a link that leads out of it"
            raise JobError(f"expected files in the repository, got {kind}: {name}; git rm --cached it, or copy it")
    return present


def package(submission: Submission, folder: Path) -> Path:
    """Write a job's files into a ZIP file in `folder`; the same job gives the same bytes.

    Raises:
        ValueError: it is larger than Ray takes.
    """
    path = folder / "segnet.zip"
    files = {**submission.files, FILE: json.dumps(asdict(submission.order), indent=2, sort_keys=True).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o100755 if name in submission.executable else 0o100644) << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    if (size := path.stat().st_size) > MAX_BYTES:
        largest = max(files, key=lambda name: len(files[name]))
        raise JobError(
            f"expected at most {MAX_BYTES >> 20} MiB of tracked files, got {size >> 20} MiB, most of it {largest}; "
            "take large files out of git: data reaches the cluster by dvc push"
        )
    return path


def read(path: Path) -> Order:
    """Return the order of a job, which was sent as `FILE`.

    Raises:
        ValueError: it is missing or broken.
    """
    try:
        return strict_json.parse(path.read_bytes(), Order)
    except (OSError, ValueError) as err:
        raise JobError(f"{path}: expected a job that segnet submit sent: {err}; submit it again") from err


def _is_below(name: str, folders: Sequence[str]) -> bool:
    return any(name == folder or name.startswith(f"{folder}/") for folder in folders)


def _listed(*options: str) -> list[str]:
    """Return paths that git lists, relative to the current folder."""
    listed = git.run("ls-files", "-z", *options)
    if listed is None:
        raise JobError("expected a git checkout, whose tracked files are sent, got no git; install it")
    if listed.returncode:
        why = os.fsdecode(listed.stderr).strip()
        raise JobError(f"expected a git checkout, whose tracked files are sent, got: {why}; run git init and git add")
    return git.names(os.fsdecode(listed.stdout))


def _check_stages(stages: Sequence[str], text: bytes) -> None:
    known = YAML(typ="safe", pure=True).load(text)["stages"]
    if unknown := [stage for stage in stages if stage not in known]:
        raise JobError(f"expected stages of dvc.yaml ({', '.join(known)}), got {', '.join(unknown)}")


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return those of the user's variables that the job needs; Ray shows a job's variables to all who may list jobs."""
    tracking_address.check_tracking_address(environ.get(tracking_address.VARIABLE, ""))
    variables = {name: environ[name] for name in _FORWARDED if environ.get(name)}
    for name, value in variables.items():
        if "@" in value.partition("://")[2].partition("/")[0]:
            raise JobError(
                f"expected {name} without user and password, which Ray shows to all who list jobs; set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where the cluster's head is started"
            )
    return {name: value for name, value in variables.items() if name not in kept(environ)}


def _before() -> Iterator[tuple[str, str]]:
    """Yield each file that results may replace, with its SHA-256."""
    for top in (PARAMS, LOCK, *repository.WRITTEN):
        if not top.startswith("data/"):  # data stays on the cluster, or travels by dvc push
            path = Path(top)
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    yield file.as_posix(), digest.file_sha256(file)


def _changes(changed: set[str], files: Mapping[str, bytes]) -> str:
    return _sha256({name: hashlib.sha256(files[name]).hexdigest() if name in files else None for name in changed})


def _sha256(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
