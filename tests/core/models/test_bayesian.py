"""The Bayesian networks against the release's prototxts."""

import pytest
import torch
from torch import nn

from pipeline.core.models import MODELS
from pipeline.core.models.bayesian import place_dropout, sample_dropout
from tests.support import full_size

PLACES = {
    "bayesian_segnet": ["after_pool.2", "after_pool.3", "after_pool.4", "decoder.0.3", "decoder.1.3", "decoder.2.3"],
    "bayesian_segnet_basic": ["after_pool.2", "after_pool.3", "decoder.0.2", "decoder.1.2"],
}


def without_dropout(name):
    return name.removeprefix("bayesian_")


def image():
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 255


@pytest.mark.parametrize("name", PLACES)
def test_dropout_lies_where_the_prototxt_has_it(name):
    model = full_size.network(name)
    layers = {key: m for key, m in model.named_modules() if isinstance(m, nn.Dropout)}
    assert list(layers) == PLACES[name]
    assert all(m.p == 0.5 for m in layers.values())
    assert all(type(level[-1]) is nn.Dropout for level in model.decoder[: len(layers) // 2])


@pytest.mark.parametrize(
    ("name", "parameters"), [("bayesian_segnet", 29_449_355), ("bayesian_segnet_basic", 1_416_587)]
)
def test_it_has_the_releases_parameters(name, parameters):
    assert full_size.parameters(full_size.network(name)) == parameters


@pytest.mark.parametrize("name", PLACES)
def test_without_sampling_it_is_the_network_without_dropout(name):
    torch.manual_seed(0)
    model = MODELS[name](5, 1 / 16).eval()
    plain = MODELS[without_dropout(name)](5, 1 / 16).eval()
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model(image()), plain(image()))


@pytest.mark.parametrize("name", PLACES)
def test_dropout_of_any_rate_is_put_into_the_same_places(name):
    model = place_dropout(MODELS[without_dropout(name)](5, 1 / 16), 0.2)
    layers = {key: m.p for key, m in model.named_modules() if isinstance(m, nn.Dropout)}
    assert layers == dict.fromkeys(PLACES[name], 0.2)
    assert model.state_dict().keys() == MODELS[name](5, 1 / 16).state_dict().keys()


@pytest.mark.parametrize("name", PLACES)
def test_samples_differ_and_leave_the_model_as_it_is(name):
    torch.manual_seed(0)
    model = MODELS[name](5, 1 / 16).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    sample_dropout(model)
    first, second = model(image()), model(image())
    assert not torch.equal(first, second)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert {type(m) for m in model.modules() if m.training} == {nn.Dropout}
    model.eval()
    assert torch.equal(model(image()), model(image()))


def test_single_values_are_dropped_and_the_others_doubled():
    torch.manual_seed(0)
    model = MODELS["bayesian_segnet"](5, 1 / 4).eval()
    sample_dropout(model)
    seen = []
    model.after_pool[2].register_forward_hook(lambda _, args, out: seen.extend([args[0], out]))
    model(image())
    pooled, dropped = seen
    kept = dropped != 0
    assert torch.equal(dropped[kept], 2 * pooled[kept])
    positive = pooled > 0
    assert kept[positive].float().mean().item() == pytest.approx(0.5, abs=0.05)
    channels = [kept[0, c][positive[0, c]] for c in range(64) if positive[0, c].sum() > 30]
    assert channels
    assert all(channel.any() and not channel.all() for channel in channels)


def test_a_network_without_dropout_cannot_be_sampled():
    with pytest.raises(ValueError, match="expected a network with dropout to sample, got one without; choose"):
        sample_dropout(MODELS["segnet"](2, 1 / 16))
