"""Pruning beside processes that make and remove what it looks at."""

import shutil
import threading
from pathlib import Path

import pytest

from pipeline.files import atomic, locks
from pipeline.training import prune


def test_folders_that_a_crossvalidation_makes_and_removes_meanwhile_are_left_out(tmp_path):
    fold = tmp_path / "runs/folds/folds-1/1"
    fold.parent.mkdir(parents=True)
    (tmp_path / "data").mkdir()
    ended = threading.Event()

    def make_and_remove():
        while not ended.is_set():
            with atomic.replacing(fold) as temporary:
                (temporary / "data/tiles").mkdir(parents=True)
                (temporary / "data/tiles/0.arrow").write_bytes(b"0")
            shutil.rmtree(fold)

    thread = threading.Thread(target=make_and_remove)
    thread.start()
    try:
        found = [prune.find(tmp_path, keep=3) for _ in range(500)]
    finally:
        ended.set()
        thread.join()
    assert found == [[]] * 500


def test_what_another_process_has_removed_is_removed(tmp_path):
    for kind, name in (("run", "runs/a"), ("temporary", "runs/.b.partial"), ("weights", "runs/c")):
        assert prune.remove(tmp_path, prune.Waste(Path(name), 1, kind))


@pytest.mark.parametrize(
    ("kind", "name", "lock"),
    [
        ("run", "runs/0123456789abcdef", "runs/0123456789abcdef.lock"),
        ("run", "runs/0123456789abcdef", "runs/0123456789abcdef.workers.lock"),
        ("cross-validation", "runs/folds/folds-1", "runs/folds/folds-1.lock"),
    ],
)
def test_what_was_resumed_since_it_was_found_stays(tmp_path, kind, name, lock):
    (tmp_path / name).mkdir(parents=True)
    waste = prune.Waste(Path(name), 1, kind)
    with locks.held(tmp_path / lock):
        assert not prune.remove(tmp_path, waste)
        assert (tmp_path / name).exists()
    assert prune.remove(tmp_path, waste)
    assert not (tmp_path / name).exists()
