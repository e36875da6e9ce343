import re
import shutil
import socket
import subprocess
import sys

import pytest

from pipeline.tracking.clone import become, clone_id
from pipeline.training import prune
from tests.support import ROOT


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "clone" / "runs"


def test_a_clone_keeps_its_id_and_another_has_another(runs, tmp_path):
    first = clone_id(runs)
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert clone_id(runs) == first
    assert clone_id(tmp_path / "other" / "runs") != first


def test_attempts_at_a_job_are_one_clone_wherever_they_run(runs, tmp_path, monkeypatch):
    clone_id(runs)
    become(runs, "a" * 16)
    assert clone_id(runs) == "a" * 16
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    become(tmp_path / "there" / "runs", "a" * 16)
    assert clone_id(tmp_path / "there" / "runs") == "a" * 16


def test_a_moved_or_renamed_clone_keeps_its_id(runs, tmp_path):
    first = clone_id(runs)
    runs.parent.rename(tmp_path / "renamed")
    assert clone_id(tmp_path / "renamed" / "runs") == first
    (tmp_path / "renamed").rename(runs.parent)
    assert clone_id(runs) == first


def test_a_clone_that_moved_to_another_file_system_keeps_its_id(runs, tmp_path):
    first, moved = clone_id(runs), tmp_path / "moved"
    shutil.copytree(runs.parent, moved)
    (tmp_path / "inode").mkdir()  # so that the copy's is not that of the original
    shutil.rmtree(runs.parent)
    assert clone_id(moved / "runs") == first


def test_a_copy_gets_an_id_of_its_own_and_says_so(runs, tmp_path, caplog):
    first = clone_id(runs)
    copy = shutil.copytree(runs, tmp_path / "copy" / "runs")
    with caplog.at_level("INFO", "pipeline"):
        second = clone_id(copy)
    assert second != first
    assert f"{copy} is a copy of {runs}: from now on its trainings have MLflow runs of their own" in caplog.text
    assert (clone_id(runs), clone_id(copy)) == (first, second)


def test_a_copy_of_the_same_path_on_another_host_gets_an_id_of_its_own(runs, tmp_path, monkeypatch):
    first = clone_id(runs)
    shutil.copytree(runs, tmp_path / "copy")
    runs.rename(tmp_path / "original")
    (tmp_path / "copy").rename(runs)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert clone_id(runs) != first


def test_the_same_folder_on_another_host_keeps_its_id(runs, monkeypatch):
    first = clone_id(runs)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert clone_id(runs) == first


def test_a_clone_restored_in_its_place_keeps_its_id(runs, tmp_path):
    first = clone_id(runs)
    shutil.copytree(runs, tmp_path / "backup")
    shutil.rmtree(runs)
    (tmp_path / "inode").mkdir()
    shutil.copytree(tmp_path / "backup", runs)
    assert clone_id(runs) == first


@pytest.mark.parametrize("text", ["", "{}", '{"id": "a"'])
def test_a_broken_file_is_refused_with_what_to_do(runs, text):
    runs.mkdir(parents=True)
    (runs / "clone.json").write_text(text)
    with pytest.raises(ValueError, match=r"clone.json: expected the id of this clone: .*; remove the file to get"):
        clone_id(runs)


def test_processes_that_ask_at_once_get_the_same_id(runs):
    code = "import sys; from pathlib import Path; from pipeline.tracking.clone import become, clone_id; "
    command = [sys.executable, "-c", f"{code}print(clone_id(Path(sys.argv[1])))", str(runs)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)]
    assert len({process.communicate()[0] for process in processes}) == 1


def test_prune_leaves_the_id(runs):
    clone_id(runs)
    assert prune.find(runs.parent, keep=1) == []
