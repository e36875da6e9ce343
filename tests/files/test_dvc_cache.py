"""Against a real DVC repository."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import digest, dvc_cache
from pipeline.files.dvc_cache import ChangedError

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
    assert list(dvc_cache.check(repository, "out", md5)) == ["in the working tree", "in DVC's cache"]


def test_what_dvc_does_not_hold_is_not_there(repository, tmp_path):
    assert list(dvc_cache.check(repository, "out", "0" * 32)) == []
    assert list(dvc_cache.check(tmp_path, "out", digest.directory_md5(repository / "out"))) == []


def test_a_file_of_a_folder_is_found_in_the_cache_without_the_folder(repository):
    assert dvc_cache.cached(repository, "out", "a").read_text() == "1\n"
    assert dvc_cache.cached(repository, "other", "a") is None
    with pytest.raises(
        ChangedError, match=r"expected out/c in DVC's cache, where dvc\.lock has it, got none; run dvc f"
    ):
        dvc_cache.cached(repository, "out", "c")


@pytest.mark.parametrize("option", ["--project", "--local"])
def test_a_cache_that_was_moved_is_found(repository, tmp_path, option):
    moved = Path(shutil.copytree(repository, tmp_path / "moved"))
    (moved / ".dvc/cache").rename(tmp_path / "my cache")
    where = [sys.executable, "-m", "dvc", "cache", "dir", option, "../my cache"]
    subprocess.run(where, cwd=moved, check=True, env={**os.environ, "DVC_NO_ANALYTICS": "1"})
    assert dvc_cache.cached(moved, "out", "a").is_relative_to(tmp_path / "my cache")
    md5 = digest.directory_md5(moved / "out")
    assert list(dvc_cache.check(moved, "out", md5)) == ["in the working tree", "in DVC's cache"]


def test_a_changed_file_is_named(repository):
    md5, name = digest.directory_md5(repository / "out"), digest.file_md5(repository / "out/a")
    (repository / "out/a").write_text("other")
    with pytest.raises(ChangedError, match=f"expected out to have the MD5 {md5}, which dvc.lock also records, got"):
        list(dvc_cache.check(repository, "out", md5))
    (repository / "out/a").write_text("1\n")
    place = repository / ".dvc/cache/files/md5" / name[:2] / name[2:]
    place.chmod(0o644)
    place.write_text("other")
    with pytest.raises(ChangedError, match=f"expected out/a in DVC's cache to have the MD5 {name}, got"):
        list(dvc_cache.check(repository, "out", md5))


@pytest.mark.parametrize("text", ["[]", "stages: 3", "stages: {a: {outs: [1]}}", "[" * 2_000, "a: !!float x"])
def test_a_broken_lock_is_refused(tmp_path, text):
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(
        ChangedError, match=r"dvc\.lock: expected what dvc repro writes, got .*; git checkout dvc\.lock"
    ):
        list(dvc_cache.check(tmp_path, "out", "0" * 32))


@pytest.mark.parametrize("text", ["{}", '[{"md5": "a"}]', "[" * 100_000])
def test_a_broken_file_list_of_a_folder_is_refused(tmp_path, text):
    name = hashlib.md5(text.encode()).hexdigest()
    place = tmp_path / ".dvc/cache/files/md5" / name[:2] / f"{name[2:]}.dir"
    place.parent.mkdir(parents=True)
    place.write_text(text)
    with pytest.raises(ChangedError, match=r"\.dir: expected a folder's file list as DVC writes it, got "):
        list(dvc_cache.check(tmp_path, "out", f"{name}.dir"))


@pytest.mark.parametrize("md5", ["", "../../../../etc/passwd", "0" * 31, "0" * 32 + "/"])
def test_what_is_not_an_md5_is_never_a_path(tmp_path, md5):
    with pytest.raises(ChangedError, match="expected an MD5 of 32 hexadecimal digits in DVC's files, got '"):
        list(dvc_cache.check(tmp_path, "out", md5))
