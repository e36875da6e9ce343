import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from pipeline.training.run import (
    all_runs,
    begun,
    differences,
    fold_of,
    is_in_use,
    read_inputs,
    run_folders,
    run_name,
    worked_on,
)

FIRST = {"data": "d", "code": "c", "vgg16": None, "model": {"name": "segnet"}, "train": {"seed": 1, "zoom": [1.0, 2.0]}}


def changed(**sections):
    return {**FIRST, **sections}


@pytest.fixture
def begin(caplog):
    """Begin a run at a given time; return its folder and what was logged."""
    caplog.set_level("INFO")

    def begin(runs, made_of, when, **options):
        caplog.clear()
        with begun(runs, made_of, **{"fresh": False, **options}) as folder:
            os.utime(folder / "inputs.json", (when, when))
        return folder, caplog.messages

    return begin


def test_a_name_is_a_hash_of_the_inputs():
    assert run_name(FIRST) == run_name(dict(reversed(FIRST.items())))
    assert run_name(FIRST) != run_name(changed(data="e"))
    assert run_name({"a": 1}) == hashlib.sha256(b'{"a": 1}').hexdigest()[:16]


def test_the_first_run_and_the_same_inputs_log_nothing(tmp_path, begin):
    folder, messages = begin(tmp_path, FIRST, 1)
    assert folder == tmp_path / run_name(FIRST)
    assert read_inputs(folder) == FIRST
    assert messages + begin(tmp_path, FIRST, 2)[1] == []


def test_changed_inputs_are_listed_against_the_run_that_was_trained_last(tmp_path, begin):
    first, _ = begin(tmp_path, FIRST, 1)
    begin(tmp_path, changed(data="e"), 2)
    begin(tmp_path, FIRST, 3)
    new, messages = begin(tmp_path, changed(code="x", train={"seed": 2, "zoom": [1.0, 2.0]}), 4)
    assert messages == [f"new run {new.name}; inputs that changed since run {first.name}: code, train.seed 1 -> 2"]


def test_a_digest_that_differs_is_named_without_its_digits():
    assert differences(FIRST, changed(data="e", code="f", vgg16="0123")) == ["code", "data", "vgg16"]


def test_a_fresh_run_loses_its_checkpoints(tmp_path, begin):
    folder, _ = begin(tmp_path, FIRST, 1)
    (folder / "step-000000001").mkdir()
    _, messages = begin(tmp_path, FIRST, 2, fresh=True)
    assert messages == [f"removed the checkpoints of run {folder.name}; it starts from scratch"]
    assert [path.name for path in folder.iterdir()] == ["inputs.json"]
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == [folder]


def test_a_run_knows_the_fold_that_it_is_of(tmp_path, monkeypatch):
    fold = "runs/folds/folds-0123456789abcdef/12"
    (tmp_path / fold).mkdir(parents=True)
    for here, expected in ((tmp_path, None), (tmp_path / fold, Path(fold))):
        monkeypatch.chdir(here)
        with begun(all_runs(), changed(data=str(here)), fresh=False) as folder:
            assert fold_of(folder) == expected
        assert folder.resolve().parent == tmp_path / "runs"


def test_other_folders_are_not_runs(tmp_path, begin):
    (tmp_path / "unsent").mkdir()
    old = tmp_path / "0123456789abcdef"  # without inputs
    old.mkdir()
    folder, messages = begin(tmp_path, FIRST, 1)
    assert messages == []
    assert run_folders(tmp_path) == [folder, old]


@pytest.mark.parametrize("text", ["{", "[[1, 2]]", '{"a":' * 100_000], ids=["cut off", "a list", "deep"])
def test_broken_inputs_are_refused(tmp_path, text, begin):
    folder, _ = begin(tmp_path, FIRST, 1)
    (folder / "inputs.json").write_text(text)
    with pytest.raises(ValueError, match=r"expected the inputs\.json of a training run: .*; remove the folder"):
        read_inputs(folder)


def test_workers_that_outlive_a_killed_training_are_waited_for(tmp_path, begin):
    folder, _ = begin(tmp_path, FIRST, 1)
    messages, threads = [], []
    with worked_on(folder), worked_on(folder):
        assert is_in_use(folder)
        threads.append(threading.Thread(target=lambda: messages.extend([*begin(tmp_path, FIRST, 2)[1], "begun"])))
        threads[0].start()
        time.sleep(0.3)
        assert messages == []
    threads[0].join(10)
    assert messages == [f"waiting for the processes that hold {folder}.workers.lock", "begun"]
    assert not is_in_use(folder)


def test_a_run_is_in_use_while_a_process_trains_it(tmp_path):
    with begun(tmp_path, FIRST, fresh=False) as folder:
        assert is_in_use(folder)
    assert not is_in_use(folder)
