"""Copies of checkpoints in a real S3 server."""

import os
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import torch

from pipeline.files import lease, storage as files_storage
from pipeline.files.storage import Storage, StorageError
from pipeline.training import checkpoint, run
from pipeline.training.copies import Copies
from pipeline.training.train import TrainingError


def names(address, folder):
    return [name.partition(f"{folder.name}/")[2] for name in Storage(address).names(f"runs/{folder.name}")]


def commits(address, folder):
    return [name for name in names(address, folder) if name.startswith("step-") and "/" not in name]


def files(address, folder):
    return [name for name in names(address, folder) if name.startswith("step-") and name.count("/") == 2]


@pytest.fixture
def copies(bucket, tmp_path):
    """A run's copies as a machine sees them, by the machine's name."""
    storage = Storage(bucket)
    storage.put("runs/abc/lease", lease.Lease(storage, "runs/abc/lease", "owner").content())
    held = lease.Lease(storage, "runs/abc/lease", "owner")

    def of(name):
        folder = tmp_path / name / "abc"
        folder.mkdir(parents=True, exist_ok=True)
        return Copies(storage, folder, held)

    return of


def write(copies, step, *, keep=2):
    state = replace(checkpoint.beginning(), step=step, model={"weight": torch.full((3,), float(step))})
    checkpoint.write(copies.folder, state, keep=keep)


def test_copies_are_those_of_the_folder_and_old_ones_are_removed(copies, bucket):
    first, second = copies("first"), copies("second")
    for step in (1, 2, 3):
        write(first, step)
        first.push()
    assert commits(bucket, first.folder) == ["step-000000002.json", "step-000000003.json"]
    assert len(files(bucket, first.folder)) == 2 * 6
    second.pull()
    assert checkpoint.last(second.folder).model["weight"].tolist() == [3.0] * 3
    assert checkpoint.read(second.folder, 2).step == 2


def test_one_step_is_copied_if_only_that_is_needed(copies):
    write(copies("first"), 1)
    write(copies("first"), 2)
    copies("first").push()
    copies("second").pull(checkpoint.name(1))
    assert [path.name for path in copies("second").folder.iterdir()] == [checkpoint.name(1)]


@pytest.mark.parametrize("number", range(8))
def test_a_push_that_is_killed_at_any_request_commits_nothing_or_all(copies, monkeypatch, number):
    first, second, put = copies("first"), copies("second"), Storage.put
    write(first, 1)
    first.push()
    write(first, 2)
    requests = iter(range(100))

    def killed(storage, name, content):
        if next(requests) == number:
            raise KeyboardInterrupt
        put(storage, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", killed)
        try:
            first.push()
            ended = True
        except KeyboardInterrupt:
            ended = False
    second.pull()
    assert ended == (number == 7)
    assert checkpoint.last(second.folder).step == (2 if ended else 1)
    first.pull()  # the same machine resumes: what nobody else can have is not resumed from
    assert checkpoint.last(first.folder).step == (2 if ended else 1)
    write(first, 2)
    first.push()
    second.pull()
    assert checkpoint.last(second.folder).step == 2
    assert len(files(first.storage.address, first.folder)) == 2 * 6  # what was half copied is removed


def test_a_copy_of_which_a_file_is_missing_does_not_count(copies, bucket):
    first, second = copies("first"), copies("second")
    for step in (1, 2):
        write(first, step)
        first.push()
    Storage(bucket).delete([name for name in Storage(bucket).names("runs/abc/step-000000002") if "optimizer" in name])
    second.pull()
    assert checkpoint.last(second.folder).step == 1


def test_a_copy_that_was_changed_is_told_and_an_older_one_taken(copies, bucket):
    first, second = copies("first"), copies("second")
    for step in (1, 2):
        write(first, step)
        first.push()
    [model] = [name for name in Storage(bucket).names("runs/abc/step-000000002") if name.endswith("model.safetensors")]
    content = bytearray(Storage(bucket).get(model))
    content[-1] ^= 1
    Storage(bucket).put(model, bytes(content))
    second.pull()
    state, faults = checkpoint.newest(second.folder)
    assert state.step == 1
    assert "expected model.safetensors to have SHA-256" in faults[0]


def test_who_has_lost_the_lease_commits_nothing_and_ends(copies, bucket):
    first = copies("first")
    write(first, 1)
    storage = Storage(bucket)
    storage.put("runs/abc/lease", lease.Lease(storage, "runs/abc/lease", "another").content())
    with pytest.raises(TrainingError, match=r"expected .* to be held by process owner, got another"):
        first.push()
    assert commits(bucket, first.folder) == []


@pytest.mark.slow
def test_an_outage_during_a_copy_is_sat_out_and_a_lasting_one_is_an_error(wire, copies, monkeypatch):
    first, second = copies("first"), copies("second")
    write(first, 1)
    wire.down()
    timer = threading.Timer(3, wire.up)
    timer.start()
    first.push()
    timer.join()
    second.pull()
    assert checkpoint.last(second.folder).step == 1
    monkeypatch.setattr(files_storage, "_RETRY", timedelta(seconds=1))
    write(first, 2)
    wire.down()
    fresh = Copies(Storage(first.storage.address), first.folder, first.lease)
    with pytest.raises(StorageError, match="check address, network, credentials"):
        fresh.push()
    assert checkpoint.last(first.folder).step == 2


def test_a_node_keeps_no_copies_of_a_run_that_is_over_nor_of_old_ones(copies, bucket, tmp_path):
    ours = copies("node")
    write(ours, 1)
    ours.push()
    for name, days in (("yesterday", 1.1), ("under way", 0.1)):
        folder = tmp_path / "node" / name
        (folder / "step-000000001").mkdir(parents=True)
        changed = time.time() - days * 24 * 60 * 60
        os.utime(folder, (changed, changed))
    ours.forget()
    assert [path.name for path in (tmp_path / "node").iterdir() if path.is_dir()] == ["under way"]
    assert commits(bucket, ours.folder) == ["step-000000001.json"]


def test_a_node_without_copies_has_nothing_to_forget(copies, tmp_path):
    ours = copies("node")
    ours.folder.rmdir()
    ours.folder.parent.rmdir()
    ours.forget()
    assert not (tmp_path / "node").exists()


def test_a_node_that_dies_while_it_forgets_keeps_no_part_of_a_checkpoint(copies, monkeypatch):
    def die(path):
        raise KeyboardInterrupt

    ours = copies("node")
    write(ours, 1)
    ours.push()
    monkeypatch.setattr(run.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        ours.forget()
    monkeypatch.undo()
    assert not ours.folder.exists()
    ours.pull()
    assert checkpoint.last(ours.folder).step == 1
