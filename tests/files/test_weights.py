import os

import pytest
import torch
from safetensors.torch import save_file

from pipeline.files import weights

TENSORS = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def test_safetensors_and_state_dicts_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors")
    torch.save(TENSORS, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        found = weights.read(tmp_path / name)
        assert found.keys() == TENSORS.keys()
        assert all(torch.equal(found[key], value) for key, value in TENSORS.items())


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Malicious()}, "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth: expected a file of tensors"):
        weights.read(tmp_path / "w.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"no tensors"])
def test_what_is_no_file_of_tensors_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="expected a file of tensors"):
        weights.read(tmp_path / name)


def test_a_file_that_holds_other_things_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(ValueError, match="expected a state dict, tensors by name, got list"):
        weights.read(tmp_path / "w.pth")
