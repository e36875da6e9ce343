"""What a killed pipeline leaves behind: processes, files, locks and MLflow records."""

import json
import os
import signal
import sqlite3
import time
from contextlib import suppress
from pathlib import Path


def until(holds, seconds, process=None):
    """Wait until `holds()`, for at most `seconds` or until the process has ended; return whether it holds."""
    end = time.monotonic() + seconds
    while not (true := holds()) and time.monotonic() < end and (process is None or process.poll() is None):
        time.sleep(0.02)
    return bool(true)


def processes(root):
    """Return the command lines of processes started from `root`, by PID; all have `root` in their environment."""
    commands = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str(root).encode() in (path / "environ").read_bytes():
                commands[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return {pid: command for pid, command in commands.items() if command}


def orphans(root, seconds):
    """Kill the processes that are still running after `seconds`; return their command lines."""
    if until(lambda: not processes(root), seconds):
        return []
    commands = processes(root)
    for pid in commands:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return sorted(command[:100] for command in commands.values())


def files(root):
    """Return the bytes of the files below data, models and reports, and of temporary files below runs."""
    contents = {}
    for top in ("data", "models", "reports", "runs"):
        for path in (root / top).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.is_file() and path.name != ".gitignore" and (top != "runs" or ".partial" in name):
                with suppress(FileNotFoundError):  # removed in the meantime by a stage's clean-up
                    contents[name] = path.read_bytes()
    return contents


def locks(root):
    """Return dvc's locks held by live processes; those of a dead process do not block the next dvc."""
    path = root / ".dvc" / "tmp" / "rwlock"
    held = json.loads(path.read_text() or "{}") if path.exists() else {}
    holders = [
        (kind, name, holder["pid"])
        for kind, paths in held.items()
        for name, entry in paths.items()
        for holder in (entry if kind == "read" else [entry])
    ]
    return [(kind, name) for kind, name, pid in holders if Path(f"/proc/{pid}").exists()]


def wrong_records(repository, epochs):
    """Return deviations from one finished run, each epoch once per curve, one version, one decision and lineage."""
    faults = []
    with sqlite3.connect(f"file:{repository.folder}/mlflow.db?mode=ro", uri=True) as database:
        stored = {
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
        "versions": [("promotions-of-segnet-scenes", 1), ("segnet-scenes", 1)],  # the first holds decisions
        "champion": [(1,)],
    }
    if stored != wanted:
        faults.append(f"MLflow has {stored}")
    steps = list(range(1, epochs + 1))
    curves = {key: sorted(step for other, step in points if other == key) for key, _ in points}
    if wrong := {key: at for key, at in curves.items() if at != steps} or not curves:
        faults.append(f"curves: {wrong}")
    for command in (["history", "--json"], ["verify", "1"]):
        try:
            output = repository.run("segnet", *command)
            if command[0] == "history" and len(json.loads(output)) != 1:
                faults.append(f"segnet history: {output}")
        except AssertionError as err:
            faults.append(f"segnet {' '.join(command)}: {str(err)[-1500:]}")
    return faults
