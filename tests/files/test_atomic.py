import json
import os
import subprocess
import sys
import time

import pytest

from pipeline.files import atomic
from tests.support import hostile

GONE = 2**22 + 1  # never a PID: Linux counts to 2**22


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "scores.json"
    target.write_text("old")

    with atomic.replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"

    assert target.read_text() == "new"
    assert names(tmp_path) == ["scores.json"]


def test_a_folder_takes_the_place_of_the_old_one_with_all_its_files(tmp_path):
    target = tmp_path / "raw"
    target.mkdir()
    (target / "old.png").touch()

    with atomic.replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "new.png").touch()

    assert names(target) == ["new.png"]
    assert names(tmp_path) == ["raw"]


def test_the_new_folder_is_complete_before_the_old_one_is_removed(tmp_path, monkeypatch):
    target = tmp_path / "raw"
    target.mkdir()
    (target / "old.png").touch()
    seen = []
    remove = atomic.shutil.rmtree
    monkeypatch.setattr(atomic.shutil, "rmtree", lambda path: (seen.append(names(target)), remove(path)))

    with atomic.replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "new.png").touch()

    assert seen == [["new.png"]]


def test_an_error_leaves_the_old_state_and_no_temporary_file(tmp_path):
    target = tmp_path / "raw"
    target.mkdir()
    (target / "old.png").touch()

    def fail():
        with atomic.replacing(target) as temporary:
            temporary.mkdir()
            (temporary / "half.png").touch()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()

    assert names(target) == ["old.png"]
    assert names(tmp_path) == ["raw"]


def test_a_full_disk_is_named_by_the_file_that_had_no_room(tmp_path):
    target = tmp_path / "a.json"

    def write():
        with atomic.replacing(target) as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("x")

    with pytest.raises(OSError, match=f"No space left on device: '{target}'"):
        write()
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_the_old_file(tmp_path):
    target = tmp_path / "scores.json"
    target.write_text("old")
    script = (
        "import os, signal, sys, pathlib; from pipeline.files import atomic\n"
        "with atomic.replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    killed = subprocess.run([sys.executable, "-c", script, str(target)], check=False)

    assert killed.returncode == -9
    assert target.read_text() == "old"
    assert len(names(tmp_path)) == 2

    atomic.write_text(target, "new")
    assert names(tmp_path) == ["scores.json"]


def test_what_others_are_writing_stays(tmp_path):
    theirs = [f".raw.{os.getppid()}.partial", f".raw.png.{GONE}.partial", f".other.{GONE}.partial", ".raw.x.partial"]
    leftovers = [f".raw.{GONE}.partial", f".raw.{GONE}.replaced.partial", f".raw.{os.getpid()}.partial"]
    for name in (*theirs, *leftovers):
        (tmp_path / name).mkdir()

    with atomic.replacing(tmp_path / "raw") as temporary:
        temporary.touch()

    assert set(names(tmp_path)) == {"raw", *theirs}


def test_a_folder_that_takes_long_to_list_is_not_listed_for_each_file(tmp_path, monkeypatch):
    listed, scandir = [], os.scandir

    def slow(path):
        listed.append(path)
        time.sleep(0.02)
        return scandir(path)

    (tmp_path / f".c.{GONE}.partial").touch()
    monkeypatch.setattr(os, "scandir", slow)
    for name in "abc":
        atomic.write_text(tmp_path / name, "")
    assert listed == [tmp_path]
    assert set(names(tmp_path)) == {"a", "b", "c"}


def test_a_folder_that_may_be_written_to_and_not_read_takes_a_file(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        atomic.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


def test_a_pipe_or_device_is_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ValueError, match=f"expected a file or folder to write, got {path}, a device, pipe or socket;"):
        atomic.write_text(path, "new")
    assert path.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_missing_parent_folders_are_created(tmp_path):
    atomic.write_text(tmp_path / "a" / "b.txt", "text\n")

    assert (tmp_path / "a" / "b.txt").read_bytes() == b"text\n"


def test_json_has_sorted_keys_so_that_the_same_tree_gives_the_same_bytes(tmp_path):
    atomic.write_json(tmp_path / "one.json", {"b": 1, "a": "ü"})
    atomic.write_json(tmp_path / "two.json", {"a": "ü", "b": 1})

    assert (tmp_path / "one.json").read_bytes() == '{\n  "a": "ü",\n  "b": 1\n}\n'.encode()
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()


def test_json_refuses_nan_which_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "one.json", {"miou": float("nan")})

    assert names(tmp_path) == []


@pytest.mark.parametrize("text", [*hostile.KINDS.values(), "Straße 道路"], ids=repr)
def test_json_holds_every_text_exactly_and_no_control_character(text, tmp_path):
    atomic.write_json(tmp_path / "a.json", {text: [text]})
    content = (tmp_path / "a.json").read_bytes().decode()
    assert not hostile.acting(content, lines=True)
    assert json.loads(content) == {text: [text]}
    assert text in content or hostile.acting(text)
