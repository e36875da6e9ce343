"""What holds for every network."""

from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.core.models import MODELS
from pipeline.params.model import Model


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (61, 32)])
@pytest.mark.parametrize("name", MODELS)
def test_any_size_from_32_gives_logits_of_that_size(name, size):
    torch.manual_seed(0)
    model = MODELS[name](5, 1 / 16).eval()
    logits = model(torch.rand(2, 3, *size) * 255)
    assert logits.shape == (2, 5, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 1, 64, 64), (3, 64, 64)])
@pytest.mark.parametrize("name", MODELS)
def test_other_inputs_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"expected images \(N, 3, H, W\) with H, W >= 32, got"):
        MODELS[name](2, 1 / 16)(torch.zeros(shape))


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_that_is_trained_takes_part_in_a_step(name):
    """DDP waits for the gradients of all."""
    torch.manual_seed(0)
    model = MODELS[name](3, 1 / 16).to(memory_format=torch.channels_last)
    model(torch.rand(2, 3, 64, 48) * 255).square().mean().backward()
    trained = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
    assert [key for key, grad in trained.items() if grad is None or not grad.isfinite().all()] == []


@pytest.mark.parametrize("name", MODELS)
def test_activations_take_no_memory_of_their_own(name):
    relus = [module for module in MODELS[name](3, 1 / 16).modules() if isinstance(module, nn.ReLU)]
    assert all(relu.inplace for relu in relus)


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_decides_the_weights(name):
    first, second = ({}, {})
    for state in (first, second):
        torch.manual_seed(7)
        state |= MODELS[name](3, 1 / 16).state_dict()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_one_image_can_be_learnt_by_heart(name):
    torch.manual_seed(0)
    image = F.interpolate(torch.rand(1, 3, 4, 4) * 255, size=(64, 64))
    image += 20 * torch.rand_like(image)
    mask = (image.mean(dim=1) > 138).long()
    model = MODELS[name](2, 1 / 8)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):  # it is there to prevent this
            layer.p = 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(100):
        loss = F.cross_entropy(model(image), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model(image).argmax(dim=1) == mask).float().mean() > 0.95


def test_params_can_name_each():
    assert get_args(Model.model_fields["name"].annotation) == tuple(MODELS)
