"""Networks that torch.compile compiles; its backends that generate code take too long for a test."""

import pytest
import torch

from pipeline.core import pooling, pooling_plain
from pipeline.core.models import MODELS
from pipeline.training import checkpoint
from pipeline.training.compilation import is_wanted
from pipeline.training.errors import TrainingError
from pipeline.training.learner import Learner
from tests.support.tiny_training import CPU, SETTINGS

IMAGES = torch.rand(4, 3, 32, 48, generator=torch.Generator().manual_seed(1)) * 255
MASKS = torch.randint(0, 3, (4, 32, 48), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("runs", [True, False])
def test_auto_is_for_gpus_where_triton_runs(monkeypatch, runs):
    monkeypatch.setattr(pooling, "_gpu_kernels", lambda: pooling_plain if runs else None)
    assert is_wanted("auto", torch.device("cuda")) is runs
    assert is_wanted("auto", CPU) is False
    assert [is_wanted(choice, CPU) for choice in (True, False)] == [True, False]


def trained(**changes):
    """Return a network's tensors after two steps."""
    torch.manual_seed(3)
    model = MODELS["bayesian_segnet"](2, 1 / 16).to(memory_format=torch.channels_last)
    learner = Learner(model, SETTINGS.model_copy(update={"precision": "float32", **changes}), (1.0, 3.0))
    for step in range(2):
        learner.learn(IMAGES, MASKS, dropout=torch.rand(len(IMAGES)), step=step, learning_rate=1e-3)
    return learner.into(checkpoint.beginning()).model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch 2.13 does, as it traces
def test_a_compiled_network_learns_the_same_under_the_same_names(monkeypatch):
    compiled, compile_ = [], torch.compile

    def traced(model, **options):
        compiled.append(options)
        return compile_(model, backend="aot_eager", fullgraph=True, **options)

    monkeypatch.setattr(torch, "compile", traced)
    ours, expected = trained(compile=True), trained(compile=False)
    assert compiled == [{"dynamic": False}]
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_a_network_that_cannot_be_compiled_is_an_error_that_names_the_param(monkeypatch):
    def failing(graph, inputs):
        raise RuntimeError("there is no C++ compiler")

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **options: compile_(model, backend=failing, **options))
    with pytest.raises(
        TrainingError, match=r"train\.compile: expected a network that torch\.compile can .*no C\+\+ comp"
    ):
        trained(compile=True)
