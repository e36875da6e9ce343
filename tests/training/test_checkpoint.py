import hashlib
import json
from dataclasses import replace

import pytest
import torch

from pipeline.training import checkpoint

WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}
STATE = replace(
    checkpoint.beginning(),
    step=7,
    model=WEIGHTS,
    optimizer={"0.step": torch.tensor(7.0)},
    best={"a": torch.ones(2)},
    best_epoch=1,
    sums=torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.float64),
    history=({"epoch": 1.0, "val/miou": 0.25}, {"epoch": 2.0, "val/miou": 0.5}),
)
FILES = ("model.safetensors", "optimizer.safetensors", "average.safetensors", "best.safetensors", "epoch.safetensors")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(folder, *steps, keep=9):
    for step in steps:
        checkpoint.write(folder, replace(STATE, step=step), keep=keep)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    checkpoint.write(tmp_path, STATE, keep=1)
    state = checkpoint.last(tmp_path)
    for part in ("model", "optimizer", "average", "best"):
        mine, theirs = getattr(STATE, part), getattr(state, part)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    assert torch.equal(state.sums, STATE.sums)
    assert (state.step, state.best_epoch, state.history) == (7, 1, STATE.history)


def test_a_score_that_is_nan_is_kept(tmp_path):
    checkpoint.write(tmp_path, replace(STATE, history=({"val/miou": float("nan")},)), keep=1)
    assert repr(checkpoint.last(tmp_path).history) == "({'val/miou': nan},)"
    assert "NaN" not in (tmp_path / "step-000000007" / "state.json").read_text()


def test_the_newest_are_kept(tmp_path):
    write(tmp_path, 1, 2, 30, keep=2)
    assert names(tmp_path) == ["step-000000002", "step-000000030"]


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    (tmp_path / ".step-000000009.123.partial").mkdir()
    (tmp_path / "inputs.json").touch()
    write(tmp_path, 1)
    assert names(tmp_path) == ["inputs.json", "step-000000001"]


def test_a_checkpoint_newer_than_the_one_resumed_from_is_removed(tmp_path):
    write(tmp_path, 10, 20)
    write(tmp_path, 15, keep=1)  # 20 was broken
    assert names(tmp_path) == ["step-000000015"]


@pytest.mark.parametrize("file", ["state.json", *FILES])
@pytest.mark.parametrize("fault", ["flipped", "truncated", "missing"])
def test_a_broken_file_is_detected_and_the_previous_checkpoint_used(tmp_path, file, fault):
    write(tmp_path, 5, 6)
    path = tmp_path / "step-000000006" / file
    data = path.read_bytes()
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-9] + (bytes([data[-9] ^ 1]) + data[-8:] if fault == "flipped" else b""))
    state, faults = checkpoint.newest(tmp_path)
    assert state.step == 5
    (text,) = faults
    assert text.startswith(f"checkpoint {path.parent} is broken: ")
    with pytest.raises(ValueError, match=r"checkpoint .*step-000000006 is broken"):
        checkpoint.last(tmp_path)


def test_a_changed_number_is_detected(tmp_path):
    write(tmp_path, 6)
    path = tmp_path / "step-000000006" / "state.json"
    path.write_text(path.read_text().replace("0.25", "0.75"))
    with pytest.raises(ValueError, match=r"expected state\.json to have SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}"):
        checkpoint.last(tmp_path)


def rewrite(folder, **changes):
    """Change values in state.json, and its SHA-256 with them."""
    tree = json.loads((folder / "state.json").read_text())
    tree["state"] |= changes
    tree["sha256"] = hashlib.sha256(json.dumps(tree["state"], sort_keys=True).encode()).hexdigest()
    (folder / "state.json").write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"step": "7"}, r"state\.step: Input should be a valid integer"),
        ({"best_epoch": -1}, r"state\.best_epoch: Input should be greater than or equal to 0"),
        ({"history": [None]}, r"state\.history\.0: Input should be an object"),
        ({"history": [{"val/miou": "a"}]}, r"state\.history\.0\.val/miou.*: Input should be a valid"),
        ({"unknown": 1}, r"state\.unknown: Unexpected keyword argument"),
        ({"sha256": {}}, "'model'"),
    ],
)
def test_a_checkpoint_of_other_types_is_refused(tmp_path, changes, fault):
    write(tmp_path, 6)
    rewrite(tmp_path / "step-000000006", **changes)
    with pytest.raises(ValueError, match=f"checkpoint .*step-000000006 is broken: {fault}"):
        checkpoint.last(tmp_path)


def test_a_checkpoint_that_is_nested_too_deeply_is_refused(tmp_path):
    write(tmp_path, 6)
    (tmp_path / "step-000000006" / "state.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="is broken: the file: Invalid JSON: recursion limit exceeded"):
        checkpoint.last(tmp_path)


def test_an_integer_in_the_history_stays_one(tmp_path):
    checkpoint.write(tmp_path, replace(STATE, history=({"epoch": 1, "val/miou": 0.1},)), keep=1)
    assert repr(checkpoint.last(tmp_path).history) == "({'epoch': 1, 'val/miou': 0.1},)"


def test_a_pickle_in_place_of_tensors_is_refused(tmp_path):
    write(tmp_path, 6)
    folder = tmp_path / "step-000000006"
    torch.save(WEIGHTS, folder / "model.safetensors")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    rewrite(folder, sha256={**json.loads((folder / "state.json").read_text())["state"]["sha256"], "model": digest})
    with pytest.raises(ValueError, match=r"checkpoint .*step-000000006 is broken: Error while deserializing"):
        checkpoint.last(tmp_path)


def test_a_folder_without_checkpoints_is_refused(tmp_path):
    assert checkpoint.newest(tmp_path) == (None, [])
    with pytest.raises(ValueError, match="expected a training run's checkpoints, got none; do all nodes see"):
        checkpoint.last(tmp_path)


def test_a_full_disk_leaves_the_earlier_checkpoints(tmp_path, monkeypatch):
    write(tmp_path, 5)

    def full(tensors, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.artifacts.model.save_file", full)
    with pytest.raises(ValueError, match=r"step-000000006: expected to write .* No space left on device.*; make room"):
        write(tmp_path, 6, keep=1)
    assert names(tmp_path) == ["step-000000005"]
    assert checkpoint.last(tmp_path).step == 5
