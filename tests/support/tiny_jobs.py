"""A repository whose stages are a line of shell each, for jobs that take seconds, and what a job makes of it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from pipeline.cluster import submission
from pipeline.files.storage import Storage
from tests.support.repository import Repository

TRACKING = "http://tracking:5000"  # these stages record nothing
STAGES = {
    "download": {"cmd": "mkdir -p data/raw && echo image > data/raw/image", "outs": [{"data/raw": {"persist": True}}]},
    "train": {
        "cmd": "mkdir -p models/segnet && cat data/raw/image > models/segnet/weights && echo 0.5 > reports/scores.json",
        "deps": ["data/raw"],
        "params": ["train.epochs"],
        "outs": ["models/segnet", "reports/scores.json"],
    },
    "register": {
        "cmd": """echo '{"model": "segnet-scenes", "version": "3"}' > reports/registration.json""",
        "deps": ["models/segnet"],
        "outs": [{"reports/registration.json": {"cache": False, "persist": True}}],
    },
}


def make(folder, **commands):
    """Return a Repository in the new folder `folder`, with other commands for some of STAGES."""
    folder.mkdir()
    made = Repository(folder)
    change(made, **commands)
    return made


def change(repository, **commands):
    """Give stages other commands, and commit that."""
    stages = {name: stage | ({"cmd": commands[name]} if name in commands else {}) for name, stage in STAGES.items()}
    (repository.folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    repository.run("git", "add", ".")
    repository.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--allow-empty", "-qm", "stages")


def send(repository, folder, storage, *overrides, stages=(), **options):
    """Write what the repository sends of a job into the new folder `folder`, as Ray does on the cluster."""
    before = Path.cwd()
    os.chdir(repository.folder)
    try:
        sent = submission.prepare(stages, overrides, storage.address, **options)
    finally:
        os.chdir(before)
    with zipfile.ZipFile(submission.package(sent, repository.folder.parent)) as archive:
        archive.extractall(folder)
    return sent.order


def run(repository, folder, storage, *overrides, **options):
    """Run a job in the new folder `folder`, without a cluster; return its status and output."""
    send(repository, folder, storage, *overrides, **options)
    return subprocess.run(command(), cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120)


def command():
    """Return the job's command."""
    return (sys.executable, "-m", "pipeline.cluster.job")


def environment(folder):
    """Return the environment of a job in `folder`, whose PATH need not name this Python."""
    own = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return {"MLFLOW_TRACKING_URI": TRACKING, **os.environ, **own}


def storage(folder):
    """Return a storage that is a folder."""
    return Storage(f"file://{folder}")


def segnet(repository, *arguments, timeout=120, **settings):
    """Run the command in a repository; return its status and output."""
    command = (Path(sys.executable).parent / "segnet", *arguments)
    environment = {"MLFLOW_TRACKING_URI": TRACKING, **repository.environment(**settings)}
    del environment["PYTHONPATH"]
    return subprocess.run(
        command, cwd=repository.folder, env=environment, capture_output=True, text=True, timeout=timeout
    )
