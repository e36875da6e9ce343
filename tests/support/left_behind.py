"""What a killed path has left behind: processes, files, locks, and records of MLflow."""

import json
import os
import signal
import sqlite3
import time
from contextlib import suppress
from pathlib import Path


def until(holds, seconds, process=None):
    """Wait until `holds()`, at most so long, or until the process has ended; return whether it does."""
    end = time.monotonic() + seconds
    while not (true := holds()) and time.monotonic() < end and (process is None or process.poll() is None):
        time.sleep(0.02)
    return bool(true)


def processes(root):
    """The processes that were started from `root`, and their command lines: it is in the environment of all."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str(root).encode() in (path / "environ").read_bytes():
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return {pid: command for pid, command in found.items() if command}


def orphans(root, seconds):
    """The command lines of the processes that are there after so many seconds; they are killed."""
    if until(lambda: not processes(root), seconds):
        return []
    found = processes(root)
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return sorted(command[:100] for command in found.values())


def files(root):
    """The bytes of what lies below data, models and reports, and of what is half-written below runs."""
    found = {}
    for top in ("data", "models", "reports", "runs"):
        for path in (root / top).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.is_file() and path.name != ".gitignore" and (top != "runs" or ".partial" in name):
                with suppress(FileNotFoundError):  # a moment ago by a stage that cleans up
                    found[name] = path.read_bytes()
    return found


def locks(root):
    """What living processes hold of dvc's locks; those of a process that is gone do not stop the next dvc."""
    path = root / ".dvc" / "tmp" / "rwlock"
    held = json.loads(path.read_text() or "{}") if path.exists() else {}
    holders = [
        (kind, name, holder["pid"])
        for kind, paths in held.items()
        for name, found in paths.items()
        for holder in (found if kind == "read" else [found])
    ]
    return [(kind, name) for kind, name, pid in holders if Path(f"/proc/{pid}").exists()]


def wrong_records(repository, epochs):
    """What differs from one finished run, each epoch once on each curve, one version, one decision, a whole lineage."""
    faults = []
    with sqlite3.connect(f"file:{repository.folder}/mlflow.db?mode=ro", uri=True) as database:
        found = {
            "runs": database.execute("SELECT status FROM runs").fetchall(),
            "versions": database.execute("SELECT name, version FROM model_versions ORDER BY name").fetchall(),
            "champion": database.execute(
                "SELECT CAST(version AS INTEGER) FROM registered_model_aliases WHERE alias = 'champion'"
            ).fetchall(),
        }
        points = database.execute(
            "SELECT key, step FROM metrics WHERE key LIKE 'val/%' OR key LIKE 'train/%'"
        ).fetchall()
    wanted = {
        "runs": [("FINISHED",)],
        "versions": [("promotions-of-segnet-scenes", 1), ("segnet-scenes", 1)],  # a decision is a version of the first
        "champion": [(1,)],
    }
    if found != wanted:
        faults.append(f"MLflow has {found}")
    steps = list(range(1, epochs + 1))
    curves = {key: sorted(step for other, step in points if other == key) for key, _ in points}
    if doubled := {key: at for key, at in curves.items() if at != steps} or not curves:
        faults.append(f"curves: {doubled}")
    for command in (["history", "--json"], ["verify", "1"]):
        try:
            said = repository.run("segnet", *command)
            if command[0] == "history" and len(json.loads(said)) != 1:
                faults.append(f"segnet history: {said}")
        except AssertionError as err:
            faults.append(f"segnet {' '.join(command)}: {str(err)[-1500:]}")
    return faults
