"""Against a real DVC repository."""

import os
import subprocess
import sys

import pytest

from pipeline.files import digest, dvc_objects
from pipeline.files.dvc_objects import ChangedError

DVC = "stages:\n  make:\n    cmd: mkdir -p out && echo 1 > out/a && echo 2 > out/b\n    outs: [out]\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dvc")
    (folder / "dvc.yaml").write_text(DVC)
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    for command in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, check=True, env=environment)
    return folder


def test_what_dvc_made_is_found_in_the_tree_and_in_the_cache(repository):
    md5 = digest.directory_md5(repository / "out")
    assert list(dvc_objects.check(repository, "out", md5)) == ["in the working tree", "in DVC's cache"]


def test_what_dvc_does_not_hold_is_not_there(repository, tmp_path):
    assert list(dvc_objects.check(repository, "out", "0" * 32)) == []
    assert list(dvc_objects.check(tmp_path, "out", digest.directory_md5(repository / "out"))) == []


def test_a_changed_file_is_named(repository):
    md5, name = digest.directory_md5(repository / "out"), digest.file_md5(repository / "out/a")
    (repository / "out/a").write_text("other")
    with pytest.raises(ChangedError, match=f"expected out of the MD5 {md5}, which dvc.lock says too, got"):
        list(dvc_objects.check(repository, "out", md5))
    (repository / "out/a").write_text("1\n")
    place = repository / ".dvc/cache/files/md5" / name[:2] / name[2:]
    place.chmod(0o644)
    place.write_text("other")
    with pytest.raises(ChangedError, match=f"expected out/a in DVC's cache to have the MD5 {name}, got"):
        list(dvc_objects.check(repository, "out", md5))
