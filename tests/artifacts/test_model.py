import json
from dataclasses import replace

import pytest
import torch

from pipeline.artifacts.model import read_model, write_model
from pipeline.artifacts.spec import Spec, read_spec
from pipeline.core.classes import CAMVID
from pipeline.core.models import MODELS

SPEC = Spec("segnet", 1 / 16, CAMVID, "toy", tile_height=48, tile_width=64, scale=0.5, run="0123456789abcdef")

TODO = "; run dvc repro, or name another model$"


@pytest.fixture
def weights():
    torch.manual_seed(3)
    model = MODELS["segnet"](11, 1 / 16)
    return model.to(memory_format=torch.channels_last).state_dict()


def test_a_model_is_read_as_it_was_written(tmp_path, weights):
    write_model(tmp_path / "m", SPEC, weights)
    spec, model = read_model(tmp_path / "m")
    assert spec == SPEC
    assert not model.training
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_the_same_model_gives_the_same_bytes(tmp_path, weights):
    for name in ("a", "b"):
        write_model(tmp_path / name, SPEC, weights)
    for file in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_weights_of_another_width_are_refused(tmp_path, weights):
    write_model(tmp_path / "m", SPEC, weights)
    tree = json.loads((tmp_path / "m" / "model.json").read_text())
    (tmp_path / "m" / "model.json").write_text(json.dumps({**tree, "width": 0.125}))
    with pytest.raises(ValueError, match=rf"expected the weights of segnet at width 0\.125: [\s\S]*{TODO}"):
        read_model(tmp_path / "m")


def test_an_unknown_network_is_refused(tmp_path, weights):
    write_model(tmp_path / "m", SPEC, weights)
    tree = json.loads((tmp_path / "m" / "model.json").read_text())
    (tmp_path / "m" / "model.json").write_text(json.dumps({**tree, "network": "lenet"}))
    with pytest.raises(
        ValueError, match=r"expected a network among .*segnet.*, got lenet; run dvc repro, or name another model"
    ):
        read_model(tmp_path / "m")


def test_truncated_weights_are_refused(tmp_path, weights):
    write_model(tmp_path / "m", SPEC, weights)
    path = tmp_path / "m" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=rf"model\.safetensors: expected a complete safetensors file: .*{TODO}"):
        read_model(tmp_path / "m")


def test_a_pickled_model_is_refused(tmp_path, weights):
    write_model(tmp_path / "m", SPEC, weights)
    torch.save(weights, tmp_path / "m" / "model.safetensors")
    with pytest.raises(ValueError, match="expected a complete safetensors file"):
        read_model(tmp_path / "m")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=rf"expected a model\.json that the train stage wrote: .*{TODO}"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("width", 1e9), ("width", 0), ("tile_height", 0), ("tile_width", 20_001), ("scale", 0)]
)
def test_a_spec_out_of_range_is_refused_before_a_network_is_built(tmp_path, weights, key, value):
    write_model(tmp_path / "m", SPEC, weights)
    tree = json.loads((tmp_path / "m" / "model.json").read_text())
    (tmp_path / "m" / "model.json").write_text(json.dumps({**tree, key: value}))
    with pytest.raises(ValueError, match=rf"expected a model\.json that the train stage wrote: {key}: Input should be"):
        read_model(tmp_path / "m")


@pytest.mark.parametrize("run", ["..", "../../else", "/else", "a/b", "C:\\else", ""])
def test_a_run_that_is_no_name_of_a_folder_below_runs_is_refused(tmp_path, run):
    write_model(tmp_path, replace(SPEC, run=run), {})
    with pytest.raises(ValueError, match=r"expected a model\.json .*: run: String should match pattern"):
        read_spec(tmp_path)
