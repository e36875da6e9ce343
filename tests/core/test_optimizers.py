import pytest
import torch
from torch import nn

from pipeline.core.optimizers import OPTIMIZERS, restore, tensors


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
    assert [p.item() for p in model.parameters()] == pytest.approx([1 - 0.1 * 0.5, 1, 1, 1])


def test_sgd_steps_as_caffe_does(model):
    # v = momentum * v + learning rate * gradient; w -= v, twice, with gradient 1.
    optimizer = OPTIMIZERS["sgd"](model, 0.1, 0.9, 0.0)
    for _ in range(2):
        model[1].bias.grad = torch.ones(1)
        optimizer.step()
    assert model[1].bias.item() == pytest.approx(1 - 0.1 - (0.9 * 0.1 + 0.1))


def test_adamws_first_step_is_the_learning_rate(model):
    model[1].bias.grad = torch.full((1,), 0.3)
    OPTIMIZERS["adamw"](model, 0.1, 0.9, 0.0).step()
    assert model[1].bias.item() == pytest.approx(0.9, abs=1e-6)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("momentum", [0.0, 0.9])
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
