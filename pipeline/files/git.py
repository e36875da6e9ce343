"""What git says of the repository in the current folder; one that git refuses to read is an error, not an absence."""

import os
import re
import shutil
import subprocess
from pathlib import Path

_NO_REPOSITORY = b"not a git repository"
_FIX = re.compile(r"git config --global --add safe\.directory \S.*")
"""What git itself says to do about a repository that belongs to another user: in containers, with sudo, on shares."""


class RefusedError(ValueError):
    """There is a repository, and git does not read it."""


def run(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[bytes] | None:
    """Return what a git command did, in the current folder or in `folder`; None if git is not installed.

    Raises:
        RefusedError: it failed since git does not read the repository, such as one of another user.
    """
    if shutil.which("git") is None:
        return None
    done = _run(words, folder)
    if done.returncode:
        opened = _run(("rev-parse", "--git-dir"), folder)
        if opened.returncode and _NO_REPOSITORY not in opened.stderr:
            raise _refused(opened, folder)
    return done


def text(*words: str) -> str | None:
    """Return what a git command prints; None if it fails, if there is no repository, or no git.

    Raises:
        RefusedError: as for `run`.
    """
    done = run(*words)
    return None if done is None or done.returncode else os.fsdecode(done.stdout).rstrip("\n")


def required(*words: str) -> str:
    """Return what a git command prints, of a repository that has a commit.

    Raises:
        RefusedError: it failed.
    """
    done = run(*words)
    if done is None:
        raise RefusedError("expected git, got no such command; install git")
    if done.returncode:
        raise _refused(done, None)
    return os.fsdecode(done.stdout).rstrip("\n")


def names(listed: str) -> list[str]:
    """Return the paths that a git command lists with -z; without it, git quotes those that are not ASCII."""
    return [name for name in listed.split("\0") if name]


def check() -> None:
    """Raise a RefusedError if git does not read the repository that the current folder is in."""
    run("rev-parse", "--git-dir")


def _run(words: tuple[str, ...], folder: Path | None) -> subprocess.CompletedProcess[bytes]:
    english = {**os.environ, "LC_ALL": "C"}  # the answer is read
    command = ("git", *words)
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, env=english)  # noqa: S603  no shell


def _refused(done: subprocess.CompletedProcess[bytes], folder: Path | None) -> RefusedError:
    said = os.fsdecode(done.stderr).strip()
    fix = _FIX.search(said)
    todo = f"run {fix[0]}" if fix else "run git status there, and fix what it names"
    where = (folder or Path()).absolute()
    return RefusedError(f"expected that git reads the repository of {where}, got: {said.partition(chr(10))[0]}; {todo}")
