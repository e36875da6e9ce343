import subprocess
import sys

import pytest
import torch
from torch import nn

from pipeline.core.optim import OPTIMIZERS, MovingAverage, restore, schedule_factor, tensors
from tests.support import ROOT


@pytest.fixture
def model():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    for parameter in model.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    return model


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_only_convolution_weights_decay(name, model):
    OPTIMIZERS[name](model, 0.1, 0.9, 0.5).step()
    penalty = 0.5 * (1.9 if name == "nesterov" else 1)  # which Nesterov's momentum sees as any gradient
    assert [p.item() for p in model.parameters()] == pytest.approx([1 - 0.1 * penalty, 1, 1, 1])


def test_sgd_steps_as_caffe_does(model):
    # v = momentum * v + learning rate * gradient; w -= v, twice, with gradient 1.
    optimizer = OPTIMIZERS["sgd"](model, 0.1, 0.9, 0.0)
    for _ in range(2):
        model[1].bias.grad = torch.ones(1)
        optimizer.step()
    assert model[1].bias.item() == pytest.approx(1 - 0.1 - (0.9 * 0.1 + 0.1))


def test_nesterov_steps_where_momentum_will_lead(model):
    # v = momentum * v + gradient; w -= learning rate * (gradient + momentum * v), twice, with gradient 1.
    optimizer = OPTIMIZERS["nesterov"](model, 0.1, 0.9, 0.0)
    for _ in range(2):
        model[1].bias.grad = torch.ones(1)
        optimizer.step()
    assert model[1].bias.item() == pytest.approx(1 - 0.1 * (1 + 0.9 * 1) - 0.1 * (1 + 0.9 * 1.9))


def test_adamws_first_step_is_the_learning_rate(model):
    model[1].bias.grad = torch.full((1,), 0.3)
    OPTIMIZERS["adamw"](model, 0.1, 0.9, 0.0).step()
    assert model[1].bias.item() == pytest.approx(0.9, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.9}),
        ("nesterov", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        ("adamw", torch.optim.AdamW, {"betas": (0.9, 0.999)}),
    ],
)
def test_three_steps_are_torchs_own_and_are_no_part_of_the_graph(name, kind, options):
    ours, theirs = ([nn.Parameter(torch.ones(2, 3))] for _ in range(2))
    networks = [nn.ParameterList(each) for each in (ours, theirs)]
    optimizers = (
        OPTIMIZERS[name](networks[0], 0.1, 0.9, 0.5),
        kind(theirs, lr=0.1, weight_decay=0.5, fused=True, **options),
    )
    for i in range(3):
        for (parameter,), optimizer in zip((ours, theirs), optimizers, strict=True):
            (parameter * torch.tensor([[i - 1.0, 0.3, 2.0]])).pow(2).sum().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            assert parameter.grad is None
    assert torch.equal(ours[0], theirs[0])
    assert ours[0].grad_fn is None


@pytest.mark.slow
def test_a_training_does_not_import_torchs_compiler(tmp_path):
    code = f"""
import sys
from pathlib import Path
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import SETTINGS, fit
folder = Path({str(tmp_path)!r})
fit(write_tiles(folder), SETTINGS, folder / "run")
fit(folder / "tiles", SETTINGS.model_copy(update={{"epochs": 4}}), folder / "run")
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "momentum"), [("sgd", 0.0), ("sgd", 0.9), ("nesterov", 0.9), ("adamw", 0.0), ("adamw", 0.9)]
)
def test_a_restored_optimizer_takes_the_steps_of_the_first(name, momentum, model):
    generator = torch.Generator().manual_seed(1)

    def step(optimizer):
        for parameter in model.parameters():
            parameter.grad = torch.rand(parameter.shape, generator=generator)
        optimizer.step()

    first = OPTIMIZERS[name](model, 0.1, momentum, 0.5)
    step(first)
    weights = [p.detach().clone() for p in model.parameters()]
    saved = {key: value.clone() for key, value in tensors(first).items()}
    state = generator.get_state()
    step(first)
    expected = [p.detach().clone() for p in model.parameters()]

    for parameter, before in zip(model.parameters(), weights, strict=True):
        parameter.data.copy_(before)
    generator.set_state(state)
    second = OPTIMIZERS[name](model, 0.1, momentum, 0.5)
    restore(second, saved)
    step(second)
    assert all(torch.equal(p, value) for p, value in zip(model.parameters(), expected, strict=True))


def test_warm_up_rises_linearly_to_one():
    assert [schedule_factor("constant", step, 10, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_cosine_falls_from_one_over_the_steps_left():
    assert schedule_factor("cosine", 4, 12, 4) == 1
    assert schedule_factor("cosine", 8, 12, 4) == pytest.approx(0.5)
    assert schedule_factor("cosine", 11, 12, 4) == pytest.approx((1 + -0.9238795) / 2)


def test_poly_falls_from_one_over_the_steps_left():
    assert schedule_factor("poly", 4, 12, 4) == 1
    assert schedule_factor("poly", 8, 12, 4) == pytest.approx(0.5**0.9)
    assert schedule_factor("poly", 11, 12, 4) == pytest.approx(0.125**0.9)


@pytest.mark.parametrize(("name", "middle"), [("cosine", 0.1 + 0.9 * 0.5), ("poly", 0.1 + 0.9 * 0.5**0.9)])
def test_a_schedule_falls_to_the_share_that_it_is_told(name, middle):
    factors = [schedule_factor(name, step, 8, 0, final=0.1) for step in (0, 4, 8)]
    assert factors == pytest.approx([1, middle, 0.1])
    assert schedule_factor(name, 1, 8, 4, final=0.1) == 0.5  # of the warm-up


def test_constant_stays_one():
    assert {schedule_factor("constant", step, 100, 0) for step in range(100)} == {1.0}


def norm(value, steps):
    """A batch normalisation whose every number is `value`."""
    model = nn.BatchNorm2d(1)
    for tensor in (model.weight, model.bias, model.running_mean, model.running_var):
        tensor.data.fill_(value)
    model.num_batches_tracked.fill_(steps)
    return model


def test_the_average_moves_by_what_is_left_of_the_decay():
    average = norm(1.0, 5)
    MovingAverage(average, norm(3.0, 6), 0.75).update(10**6)
    assert [float(value) for value in average.state_dict().values()] == [1.5, 1.5, 1.5, 1.5, 6]


def test_the_first_weights_are_soon_forgotten():
    average = norm(0.0, 0)
    MovingAverage(average, norm(1.0, 1), 0.999).update(0)
    assert average.weight.item() == pytest.approx(0.9)
    MovingAverage(average, norm(2.0, 2), 0.999).update(1)  # 2/11 of 0.9 and 9/11 of 2
    assert average.weight.item() == pytest.approx((2 * 0.9 + 9 * 2) / 11)


def test_the_average_is_no_part_of_the_graph():
    average, model = norm(0.0, 0), norm(1.0, 1)
    MovingAverage(average, model, 0.5).update(0)
    assert average.weight.grad_fn is None
    assert torch.equal(model.weight, torch.ones(1))
