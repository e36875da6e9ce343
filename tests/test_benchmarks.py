"""Benchmarks compare with the baselines that they claim, and document how to run them."""

import runpy

import pytest
import torch

from pipeline.core.models import MODELS
from tests.support import ROOT

BENCHMARKS = ROOT / "benchmarks"


def test_the_usual_segnet_is_segnet():
    usual = runpy.run_path(str(BENCHMARKS / "models.py"))["UsualSegNet"](11, 0.125).eval()
    ours = MODELS["segnet"](11, 0.125).eval()
    values = list(ours.state_dict().values())
    usual.load_state_dict(dict(zip(usual.state_dict(), values, strict=True)))
    x = torch.rand(1, 3, 45, 61, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(usual(x), ours(x))


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_says_how_to_run_it(script):
    assert f"python benchmarks/{script.name}" in (runpy.run_path(str(script))["__doc__"] or "")
