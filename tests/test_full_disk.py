"""A full and a read-only disk under each stage's outputs, tested with real file systems in memory."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from tests.support.repository import Repository

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system"),
]
OUTS = {
    "download": ("data", ["raw"]),
    "validate": ("reports", ["validation.json", "validation.html"]),
    "tile": ("data", ["tiles"]),
    "train": ("models", ["segnet"]),
    "evaluate": ("reports", ["evaluation.html", "images.parquet", "scores.json"]),
    "register": ("mlartifacts", []),
}
"""The folder of a stage's outputs, and the outputs that it writes there."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.run("dvc", "repro", "evaluate")
    (repository.folder / "mlartifacts").mkdir(exist_ok=True)
    return repository


def mount(*options):
    done = subprocess.run(["mount", *map(str, options)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr}")


@contextmanager
def in_memory(folder):
    """Mount a file system with the same content over the folder."""
    kept = folder.with_name(f"{folder.name}.kept")
    shutil.copytree(folder, kept)
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", folder)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
        shutil.rmtree(kept)


def contents(folder, names):
    found = {}
    for name in names:
        paths = [folder / name, *(folder / name).rglob("*")]
        found |= {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}
    return found


def run(repository, stage):
    command = ["python", "-m", f"stages.{stage}"]
    environment = repository.environment()
    done = subprocess.run(command, cwd=repository.folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


@pytest.mark.parametrize("stage", OUTS)
def test_a_stage_says_so_leaves_nothing_half_and_goes_on_when_there_is_room(repository, stage):
    top, names = OUTS[stage]
    folder = repository.folder / top
    undisturbed = contents(folder, names)
    with in_memory(folder):
        for name in names:
            subprocess.run(["rm", "-r", folder / name], check=True)
        used = shutil.disk_usage(folder).used // 1024
        for option, reason in (("ro", "Read-only file system"), (f"rw,size={used + 8}k", "No space left on device")):
            mount("-o", f"remount,{option}", folder)
            code, said = run(repository, stage)
            assert code == 1, said
            last = said[said.index("error: ") :]
            assert reason in last
            assert "dvc repro again" in last or "train again" in last
            assert "Traceback" not in said
            if stage != "register":  # artifacts in MLflow become a version once all are uploaded
                assert contents(folder, names).items() <= undisturbed.items()
            assert not list(folder.rglob("*.partial"))
        mount("-o", "remount,rw,size=64m", folder)
        code, said = run(repository, stage)
        assert code == 0, said
        assert contents(folder, names) == undisturbed
        if stage == "register":
            assert "holds" in repository.run("segnet", "verify", "1")
