"""Less memory, and the same gradients bit for bit."""

from contextlib import nullcontext
from copy import deepcopy

import pytest
import torch
from torch import nn

from pipeline.core.models import MODELS
from pipeline.core.pooling import pool, unpool
from pipeline.core.recompute import Recipes, recomputing
from pipeline.core.sync_batch_norm import synchronised
from tests.support import alike_workers

LAYOUTS = [pytest.param(torch.contiguous_format, marks=pytest.mark.slow), torch.channels_last]


def network(name="segnet", layout=torch.channels_last):
    torch.manual_seed(1)
    return MODELS[name](5, 0.0625).to(memory_format=layout).train()


def images(num=2, layout=torch.channels_last, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(num, 3, 45, 61, generator=generator) * 255).contiguous(memory_format=layout)


def forward(model, x, *, recompute, dtype=None):
    torch.manual_seed(3)  # of dropout
    kept = recomputing(model) if recompute else nullcontext()
    with kept, torch.autocast("cpu", dtype, enabled=dtype is not None):
        return model(x).float().square().mean()


def state(model):
    """Gradients and running statistics."""
    gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    return gradients | dict(model.named_buffers())


def assert_same(model, other):
    mine, theirs = state(model), state(other)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_gradients_and_running_statistics_are_the_same_bit_for_bit(name, dtype, layout):
    expected = network(name, layout)
    model = deepcopy(expected)
    for each, recompute in ((expected, False), (model, True)):
        forward(each, images(layout=layout), recompute=recompute, dtype=dtype).backward()
    assert_same(model, expected)


def test_passes_that_are_under_way_at_once_do_not_mix():
    expected = network()
    model = deepcopy(expected)
    for each, recompute in ((expected, False), (model, True)):
        first, second = (forward(each, images(seed=seed), recompute=recompute) for seed in (4, 5))
        first.backward()
        second.backward()
    assert_same(model, expected)


def test_workers_that_normalise_together_have_the_same_gradients(monkeypatch):
    alike_workers.two(monkeypatch)
    expected = synchronised(network())
    model = deepcopy(expected)
    for each, recompute in ((expected, False), (model, True)):
        forward(each, images(), recompute=recompute).backward()
    assert_same(model, expected)


def test_what_is_recomputed_is_not_kept(monkeypatch):
    """A unit keeps one tensor in place of two, and a level of the decoder not what unpooling made."""
    kept = []
    pack = Recipes.pack

    def watch(recipes, tensor):
        result = pack(recipes, tensor)
        kept.append((result is tensor, tuple(tensor.shape)))
        return result

    monkeypatch.setattr(Recipes, "pack", watch)
    unit = [nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)]
    model = nn.Sequential(*unit, nn.Conv2d(4, 4, 1))
    with recomputing(model):
        y = model(torch.rand(2, 4, 8, 8))
        pooled, codes = pool(y)
        nn.functional.conv2d(unpool(pooled, codes, (8, 8)), torch.ones(1, 4, 1, 1, requires_grad=True))
    # Kept: the image and what is normalised; not: the ReLU's output, which two need, and the unpooled one.
    assert [is_kept for is_kept, shape in kept if shape == (2, 4, 8, 8)] == [True, True, False, False, False]
