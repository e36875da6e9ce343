import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from pipeline.core import counter_random
from pipeline.core.models import MODELS, dropout
from pipeline.core.models.dropout import TileDropout

KEYS = counter_random.keys(torch.tensor([0.25, 0.75, 0.125]))
ONES = torch.ones(3, 8, 25, 26)


def dropped(layer, x, keys=KEYS):
    layer.use(keys)
    return layer(x)


@pytest.mark.parametrize("rate", [0.5, 0.1])
def test_a_value_is_dropped_with_the_rate_and_the_others_are_divided(rate):
    y = dropped(TileDropout(rate, 0), ONES)
    assert y.unique().tolist() == [0, pytest.approx(1 / (1 - rate))]
    for image in y:
        assert scipy.stats.binomtest(int((image == 0).sum()), image.numel(), rate).pvalue > 0.001


def test_values_images_and_layers_are_dropped_independently():
    one, other = (dropped(TileDropout(0.5, number), ONES).flatten(1).numpy() / 2 for number in (0, 1))
    half = one.shape[1] // 2  # the two halves come from the same words
    pairs = [(one[0, :-1], one[0, 1:]), (one[0, :half], one[0, half:]), (one[0], one[1]), (one[0], other[0])]
    pairs += [(one[0, : -25 * 26], one[0, 25 * 26 :]), (one[1], other[2])]  # the next channel; another of both
    for first, second in pairs:
        assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(len(first))


def test_what_is_dropped_in_an_image_depends_on_its_key_alone():
    layer = TileDropout(0.5, 3)
    together = dropped(layer, ONES)
    assert torch.equal(dropped(layer, ONES[2:], KEYS[2:]), together[2:])
    assert torch.equal(dropped(layer, ONES.flip(0), KEYS.flip(0)), together.flip(0))
    assert torch.equal(dropped(layer, ONES), together)


def test_the_memory_format_is_kept_and_changes_nothing():
    x = torch.rand(3, 3, 5, 7)  # of an odd number of values
    plain, last = (dropped(TileDropout(0.5, 0), each) for each in (x, x.to(memory_format=torch.channels_last)))
    assert torch.equal(plain, last)
    assert (plain.is_contiguous(), last.is_contiguous(memory_format=torch.channels_last)) == (True, True)


def test_these_bits_are_dropped_on_every_machine():
    # Computed apart from torch: splitmix64 of Python's integers. Bit 63 of a word decides the first half, bit 23 the
    # other.
    def mixed(word):
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
        return word ^ word >> 31

    gamma = 0x9E3779B97F4A7C15
    key = mixed((mixed(int(0.75 * 2**24)) + 6 * gamma) % 2**64)
    words = [mixed((key + gamma * place) % 2**64) for place in (1, 2, 3, 4)]
    expected = [2.0 * (word >> 63) for word in words] + [2.0 * (word >> 23 & 1) for word in words[:3]]
    assert dropped(TileDropout(0.5, 5), torch.ones(1, 7, 1, 1), KEYS[1:2]).flatten().tolist() == expected


def test_the_gradient_is_that_of_what_was_kept():
    x = torch.rand(3, 8, 5, 7, dtype=torch.float64, requires_grad=True)
    layer = TileDropout(0.25, 0)
    layer.use(KEYS)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_dtype_is_kept(dtype):
    assert dropped(TileDropout(0.5, 0), ONES.to(dtype)).dtype is dtype


def test_outside_training_nothing_is_dropped():
    assert TileDropout(0.5, 0).eval()(ONES) is ONES


def test_keys_of_another_number_of_images_are_an_error():
    with pytest.raises(RuntimeError):
        dropped(TileDropout(0.5, 0), ONES[:2])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_dropout_of_a_network_is_replaced_where_it_was_with_its_rate(name):
    network, plain = MODELS[name](5, 1 / 16), MODELS[name](5, 1 / 16)
    layers = dropout.by_tile(network)
    rates = {key: each.p for key, each in plain.named_modules() if isinstance(each, nn.Dropout)}
    assert {key: each.p for key, each in network.named_modules() if isinstance(each, TileDropout)} == rates
    assert [each._number for each in layers] == list(range(len(rates)))
    assert network.state_dict().keys() == plain.state_dict().keys()
    assert not any(type(each) is nn.Dropout for each in network.modules())
