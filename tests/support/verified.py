"""A store with two honest versions, for tests that change something and verify."""

import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.files import atomic, digest
from pipeline.registry import verify, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from stages import register as stage
from tests.support import project as tree, stores

MODEL = "segnet-verified"
LOG = f"promotions-of-{MODEL}"
ORDER = ["evidence", "weights", "served code", "files", "scores", "params", "training run", "started from"]
ORDER += ["validation", "commit", "data", "log", "verdict"]


@contextmanager
def honest(folder):
    """Yield a store with champion 1 and version 2, which was held; the current folder is their clean checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", uri := stores.sqlite(folder))
        spec = tree.make("verified")
        git("init", "-q")
        git("add", "params.yaml", "dvc.yaml", "pipeline")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all")
        tree.registered(tree.named(spec, "a"), hits=3)
        lock_data()
        tree.registered(tree.named(spec, "b"), hits=3)
        yield uri


def lock_data():
    """Write dvc.lock and a cache for data/raw, as DVC would."""
    md5 = digest.directory_md5(stage.RAW)
    atomic.write_text(Path("dvc.lock"), f"stages:\n  download:\n    outs: [{{path: data/raw, md5: {md5}}}]\n")
    cache = Path(".dvc/cache/files/md5")
    entries = []
    for path in sorted(p for p in stage.RAW.rglob("*") if p.is_file()):
        name = digest.file_md5(path)
        entries.append({"md5": name, "relpath": path.relative_to(stage.RAW).as_posix()})
        (cache / name[:2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, cache / name[:2] / name[2:])
    (cache / md5[:2]).mkdir(parents=True, exist_ok=True)
    (cache / md5[:2] / md5[2:]).write_text(json.dumps(entries))


def git(*command):
    return subprocess.run(["git", *command], check=True, capture_output=True).stdout


def links(uri, number="1"):
    return {link.name: link for link in verify.verify(versions.version(RegisteredModel(uri, MODEL), number), Path())}


def stored(uri, number="1"):
    """The folder of a version's files."""
    version = versions.version(RegisteredModel(uri, MODEL), number)
    return Path(store.client(uri).get_logged_model(version.model_id).artifact_location.removeprefix("file://"))


@contextmanager
def changed(path, edit):
    before = path.read_bytes()
    path.write_bytes(edit(before))
    yield
    path.write_bytes(before)


@contextmanager
def flipped(path):
    with changed(path, lambda text: text[:-1] + bytes([text[-1] ^ 1])):
        yield
