import pytest
import torch

from pipeline.core.precision import autocast_type

CPU = torch.device("cpu")


@pytest.mark.parametrize(("precision", "expected"), [("float32", None), ("bfloat16", torch.bfloat16)])
def test_what_is_asked_for_is_obeyed_on_any_device(precision, expected, monkeypatch):
    for has in ({}, {"avx512_bf16": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert autocast_type(precision, CPU) == expected


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "avx2": True}, None),
    ],
)
def test_auto_is_bfloat16_where_the_processor_has_it(has, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert autocast_type("auto", CPU) == expected


@pytest.mark.parametrize(("has", "expected"), [(True, torch.bfloat16), (False, None)])
def test_auto_is_bfloat16_where_the_gpu_has_it(has, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has and not including_emulation)
    assert autocast_type("auto", torch.device("cuda")) == expected
