"""What git says of the repository in the current folder; one that git refuses to read is an error, not an absence."""

import os
import re
import shutil
import subprocess
from pathlib import Path

_NO_REPOSITORY = re.compile(rb"not a git repository \(or any (of the )?parent ")
"""What git says where it looked for one; of one that GIT_DIR or a worktree names, it says the path instead."""
_ASK = "rev-parse", "--git-dir"
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
    if done.returncode and (refused := _refusal(folder)) is not None:
        raise _refused(refused, folder)
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
    run(*_ASK)


def _run(words: tuple[str, ...], folder: Path | None) -> subprocess.CompletedProcess[bytes]:
    english = {**os.environ, "LC_ALL": "C"}  # the answer is read
    command = ("git", *words)
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, env=english)  # noqa: S603  no shell


def _refusal(folder: Path | None) -> subprocess.CompletedProcess[bytes] | None:
    """Return what git said when it could not open the repository; None: it could, or there is none.

    A .git whose HEAD is damaged git takes for no repository, and looks further up: it is asked about that very folder.
    """
    opened = _run(_ASK, folder)
    if opened.returncode and _NO_REPOSITORY.search(opened.stderr):
        here = (folder or Path()).absolute()
        there = next((each / ".git" for each in (here, *here.parents) if _was_made_by_git(each / ".git")), None)
        if there is None:
            return None
        opened = _run((f"--git-dir={there}", *_ASK), folder)
    return opened if opened.returncode else None


def _was_made_by_git(path: Path) -> bool:
    """Return whether a folder holds what those of repositories do, or may not be read."""
    is_readable = os.access(path, os.R_OK | os.X_OK)
    return path.is_dir() and (not is_readable or any((path / name).exists() for name in ("HEAD", "objects")))


def _refused(done: subprocess.CompletedProcess[bytes], folder: Path | None) -> RefusedError:
    said = os.fsdecode(done.stderr).strip()
    fix = _FIX.search(said)
    where = (folder or Path()).absolute()
    todo = f"run {fix[0]}" if fix else _todo(said)
    return RefusedError(f"expected that git reads the repository of {where}, got: {said.partition(chr(10))[0]}; {todo}")


def _todo(said: str) -> str:
    """Return what to do about a repository that git does not read, and does not say what to do about."""
    if "not a git repository" not in said:
        return "run git status there, and fix what it names"
    if "GIT_DIR" in os.environ:
        return "correct the environment variable GIT_DIR, or unset it"
    return (
        "bring back what is missing there or damaged: of a worktree, run git worktree repair in the repository that it "
        "is of; of a submodule, git submodule update --init in the one above; else clone it again"
    )
