import re

import pytest
import torch

from pipeline.training import precision
from pipeline.training.errors import TrainingError
from pipeline.training.precision import autocast_type, resolved
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, fit

CUDA = torch.device("cuda")


@pytest.mark.parametrize(("name", "expected"), [("float32", None), ("bfloat16", torch.bfloat16)])
def test_the_configured_precision_is_used_on_any_device(name, expected, monkeypatch):
    for has in ({}, {"avx512_bf16": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert resolved(name, CPU) == resolved(name, CUDA) == name
        assert autocast_type(name) == expected


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
        ({"arm_bf16": True}, "bfloat16"),
        ({}, "float32"),
        ({"avx512_bf16": False, "avx2": True}, "float32"),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "avx512_fp16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "avx512_fp16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "avx512_fp16": False}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "avx512_fp16": True, "amx_bf16": False}, "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_processor_is_fast_at_it(has, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert resolved("auto", CPU) == expected


@pytest.mark.parametrize(("has", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_where_the_gpu_has_it(has, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has and not including_emulation)
    assert resolved("auto", CUDA) == expected


def test_tensorfloat32_is_for_gpus_that_have_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert resolved("tensorfloat32", CUDA) == "tensorfloat32"
    assert autocast_type("tensorfloat32") is None
    with pytest.raises(TrainingError, match=r"train\.precision: expected a GPU since Ampere .*, got cpu;"):
        resolved("tensorfloat32", CPU)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(TrainingError, match=r"got cuda; choose float32 or auto"):
        resolved("tensorfloat32", CUDA)


@pytest.mark.parametrize(("name", "is_rounded"), [("float32", False), ("bfloat16", False), ("tensorfloat32", True)])
@pytest.mark.parametrize("are_timed", [False, True])
def test_a_gpu_rounds_factors_of_convolutions_only_if_it_is_asked_to(name, is_rounded, are_timed):
    with precision.products(name, are_timed=are_timed):
        assert torch.backends.cudnn.allow_tf32 is is_rounded
        assert torch.backends.cudnn.benchmark is are_timed


def test_log_and_record_say_in_what_a_training_computed(tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 1, "precision": "float32"})
    tiles = write_tiles(tmp_path / "data")
    result = fit(tiles, settings, tmp_path / "run")
    (line,) = result.precisions
    assert re.fullmatch(r"computing in float32 on the CPU, (1 thread|\d+ threads)", line)
    assert [epoch["precision_bits"] for epoch in result.reports] == [32]
    assert fit(tiles, settings, tmp_path / "run").precisions == []  # nothing was left to compute
