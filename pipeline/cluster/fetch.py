"""Bringing a job's results into the working tree: checked, whole, and never over what somebody changed meanwhile."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.cluster import results
from pipeline.cluster.failures import JobError
from pipeline.cluster.overrides import PARAMS
from pipeline.cluster.results import Results
from pipeline.cluster.submission import LOCK
from pipeline.files import atomic, digest, dvc, dvc_cache, locks, strict_json
from pipeline.files.storage import Storage

_FETCHED = Path(".dvc/tmp/segnet_fetched.json")
"""SHA-256 of each file that was fetched: one that is still the same has not been changed by anybody."""
_LOCK = Path(".dvc/tmp/segnet_fetch.lock")


def fetch(storage: Storage, job_id: str) -> Results:
    """Bring the lock, reports and model of a job into the current folder, and the outputs into DVC's cache.

    A file is replaced if it is as it was when the job was submitted, or as an earlier fetch left it. All files are
    fetched and checked before the first one is replaced; each output is replaced at once, the lock as the last.

    Raises:
        StorageError: the storage cannot be reached.
        ValueError: there are no results, a file of theirs has another hash than was recorded, or files here were
            changed since the job was submitted; the message names them.
    """
    if not Path(".dvc").is_dir():
        raise JobError("expected a repository with .dvc in the current folder, got none; change to its folder")
    record = results.read(storage, job_id)
    with locks.held(_LOCK):
        _refuse_changes(record)
        with TemporaryDirectory(dir=".dvc/tmp", prefix="segnet_fetch") as folder:
            fetched = Path(folder)
            _download(storage, record, fetched)
            _into_cache(record, fetched)
            _refuse_changes(record)  # the transfer may have taken long
            _place(record, fetched)
        atomic.write_json(_FETCHED, {**_fetched_before(), **record.files})
    return record


def _refuse_changes(record: Results) -> None:
    """Refuse if a file that would be replaced or removed was changed since the job was submitted."""
    earlier = _fetched_before()
    changed = []
    for path in sorted(_here(record)):
        now = digest.file_sha256(Path(path))
        if now not in (record.before.get(path), record.files.get(path), earlier.get(path)):
            changed.append(path)
    # Removed meanwhile is changed too, but nothing is lost by bringing the file back.
    if changed:
        raise JobError(
            f"expected files as they were when job {record.id} was submitted, got changed ones: {', '.join(changed)}; "
            "nothing was written: commit them and move them away (git stash, dvc commit), or fetch in another clone"
        )


def _here(record: Results) -> Iterator[str]:
    """Yield the files here that the results replace or remove, by path."""
    for path in {*record.files, *record.outs}:
        place = Path(path)
        for file in place.rglob("*") if place.is_dir() else [place]:
            if file.is_file() or file.is_symlink():
                yield file.as_posix()


def _fetched_before() -> Mapping[str, str]:
    try:
        return strict_json.parse(_FETCHED.read_bytes(), dict[str, str])
    except (OSError, ValueError):  # it only spares a refusal
        return {}


def _download(storage: Storage, record: Results, folder: Path) -> None:
    """Copy all files into a folder, and check each by its SHA-256, and each output by its hash in the lock."""
    for path, sha256 in record.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        name = results.file_name(record.id, sha256)
        try:
            storage.fetch(name, folder / path)
        except FileNotFoundError as err:
            raise JobError(f"{err}: {path} is lost, and nothing was written; submit {record.id} again") from err
        if (actual := digest.file_sha256(folder / path)) != sha256:
            raise JobError(
                f"expected {storage.address}/{name} to have the SHA-256 in its name, got {actual}: {path} was damaged, "
                "and nothing was written; remove the object and submit the job again"
            )
    locked = dvc_cache.outputs(folder)
    for out, md5 in record.outs.items():
        if not md5 == (actual := digest.md5(folder / out)) == locked.get(out):
            raise JobError(
                f"expected {out} of job {record.id} to have the MD5 {locked.get(out)} of its lock, got {actual}; "
                "nothing was written: submit the job again"
            )


def _into_cache(record: Results, folder: Path) -> None:
    """Put outputs into DVC's cache, without which dvc status holds them for changed.

    dvc commit needs the stages' inputs, which are on the cluster. So DVC adds them in a repository of their own, which
    has the same cache.
    """
    if not record.outs:
        return
    cache = str(dvc_cache.location(Path().absolute()))
    _dvc("init", "--no-scm", "--quiet", folder=folder)
    _dvc("cache", "dir", "--quiet", cache, folder=folder)
    _dvc("add", "--quiet", *record.outs, folder=folder)


def _dvc(*arguments: str, folder: Path) -> None:
    done = dvc.run(*arguments, folder=folder)
    if done.returncode:
        raise JobError(f"expected dvc {arguments[0]} to succeed, got: {done.stderr.strip()}; nothing was written")


def _place(record: Results, folder: Path) -> None:
    """Move outputs to where they belong, then params, then the lock: until it is there, dvc status shows a change."""
    for path in (*record.outs, *(name for name in (PARAMS, LOCK) if name in record.files)):
        with atomic.replacing(Path(path)) as temporary:
            shutil.move(folder / path, temporary)
