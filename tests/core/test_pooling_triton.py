"""The kernels for GPUs: run by Triton's interpreter on a CPU, and compiled for GPUs that need not be there."""

import subprocess
import sys

import pytest
import torch

from pipeline.core import pooling, pooling_plain
from tests.support import ROOT

pytest.importorskip("triton", reason="Triton is not installed: pip install triton (Linux)")

INTERPRETED = """
import itertools, os, sys
os.environ["TRITON_INTERPRET"] = "1"
sys.path.insert(0, sys.argv[1])
import torch
from pipeline.core import pooling_plain, pooling_triton

def same(a, b):
    kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    return torch.equal(a.contiguous().view(kind), b.contiguous().view(kind))

special = itertools.cycle([float("nan"), float("-inf"), -0.0, 1.0])
generator = torch.Generator().manual_seed(0)
for name, layout in itertools.product(sys.argv[2:], [torch.contiguous_format, torch.channels_last]):
    dtype = getattr(torch, name)
    for channels, (height, width) in itertools.product((1, 3, 8), [(1, 1), (1, 6), (5, 2), (8, 8), (9, 11), (4, 23)]):
        x = torch.randint(0, 3, (2, channels, height, width), generator=generator).to(dtype)
        x = torch.where(x == 2, torch.tensor(next(special), dtype=dtype), x).contiguous(memory_format=layout)
        assert pooling_triton.can_hold(x)
        (y, codes), (expected, expected_codes) = pooling_triton.pool(x), pooling_plain.pool(x)
        case = (name, layout, x.shape)
        assert same(y, expected), case
        assert torch.equal(codes, expected_codes), case
        back = pooling_triton.scatter(y, expected_codes, (height, width))
        assert same(back, pooling_plain.scatter(expected, expected_codes, (height, width))), case
        gradient = torch.randn(x.shape, generator=generator).to(dtype).contiguous(memory_format=layout)
        assert same(pooling_triton.gather(gradient, codes), pooling_plain.gather(gradient, codes)), case
print("equal")
"""


@pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", *(pytest.param(each, marks=pytest.mark.slow) for each in ("float16", "float64"))]
)
def test_interpreted_kernels_give_the_bits_of_the_plain_operations(dtype):
    command = [sys.executable, "-c", INTERPRETED, str(ROOT), dtype]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.parametrize("architecture", [80, 90])
def test_kernels_compile_for_gpus_and_move_four_channels_at_a_time(architecture, monkeypatch):
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")  # Triton 3.9 warns without it
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile as compiled

    from pipeline.core import pooling_kernels

    moves = {"pool": (4, 1), "scatter": (1, 4), "gather": (0, 1)}  # of 8 bytes: four channels in bfloat16
    for name, (loads, stores) in moves.items():
        kernel = getattr(pooling_kernels, name)
        kinds = {word: "*u8" if word == "codes" else "*bf16" for word in kernel.arg_names[:3]}
        kinds |= dict.fromkeys(("num_bytes", "C", "H", "W"), "i32")
        constants = {"LAST": True, "WIDE": False, "BYTES": 128}
        divisible = {(place,): [["tt.divisibility", 16]] for place in range(5)}  # as C = 64 is at run time
        source = ASTSource(kernel, kinds | dict.fromkeys(constants, "constexpr"), constants, divisible)
        assembly = compiled(source, target=GPUTarget("cuda", architecture, 32)).asm["ptx"]
        assert assembly.count("ld.global.v2.b32") == loads, name
        assert assembly.count("st.global.v2.b32") >= stores, name


def test_without_triton_the_plain_operations_are_used_and_that_is_said_once(monkeypatch):
    pooling._gpu_kernels.cache_clear()
    monkeypatch.setitem(sys.modules, "pipeline.core.pooling_triton", None)
    with pytest.warns(UserWarning, match=r"^pooling takes some twenty GPU kernels .* since Triton does not run here: "):
        assert pooling._gpu_kernels() is None
    assert pooling._gpu_kernels() is None
    pooling._gpu_kernels.cache_clear()


def test_memory_that_another_program_took_is_no_fault_of_tritons(monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    pooling._gpu_kernels.cache_clear()
    monkeypatch.setattr(torch, "zeros", fail)
    with pytest.raises(torch.OutOfMemoryError):
        pooling.runs_triton()
    monkeypatch.undo()
    assert pooling._gpu_kernels.cache_info().currsize == 0  # the next call asks again


def test_plain_operations_keep_channels_last():
    x = torch.randn(2, 8, 6, 8).contiguous(memory_format=torch.channels_last)
    y, codes = pooling_plain.pool(x)
    for result in (y, pooling_plain.scatter(y, codes, (6, 8)), pooling_plain.gather(x, codes)):
        assert result.is_contiguous(memory_format=torch.channels_last)
