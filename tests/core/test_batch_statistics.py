"""Statistics computed anew, against those of all values at once."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from pipeline.core.batch_statistics import renewed
from pipeline.core.sync_batch_norm import SynchronisedBatchNorm2d, synchronised
from tests.support import alike_workers


def forward(network, images):
    return network(images)


@pytest.fixture
def batches():
    """Two batches of different sizes, whose values are far from zero."""
    generator = torch.Generator().manual_seed(1)
    return [100 + 3 * torch.randn(count, 2, 5, 4, generator=generator) for count in (3, 1)]


def test_a_layers_statistics_are_those_of_all_its_values(batches):
    layer = nn.BatchNorm2d(2)
    result = renewed(layer, batches, forward)
    variance, mean = torch.var_mean(torch.cat(batches).double(), dim=(0, 2, 3))
    torch.testing.assert_close(result.running_mean.double(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(result.running_var.double(), variance, rtol=1e-5, atol=0)


def test_the_next_layer_sees_values_that_each_batch_normalised(batches):
    network = nn.Sequential(nn.BatchNorm2d(2, eps=0.5), nn.BatchNorm2d(2))
    variances = [torch.var(batch.double(), dim=(0, 2, 3), correction=0) for batch in batches]
    # 60 and 20 values of each channel; a batch of variance v has v / (v + eps) once it is normalised.
    expected = sum(n * v / (v + 0.5) for n, v in zip((60, 20), variances, strict=True)) / 79
    result = renewed(network, batches, forward)[1]
    torch.testing.assert_close(result.running_mean, torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(result.running_var.double(), expected, rtol=1e-5, atol=0)


def test_dropout_is_off_and_nothing_else_changes(batches):
    network = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm2d(2, momentum=0.3), nn.Conv2d(2, 1, 1))
    network(batches[0])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    result = renewed(network, batches, forward)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    changed = {name for name, value in result.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"1.running_mean", "1.running_var"}
    torch.testing.assert_close(result[1].running_mean, torch.cat(batches).mean(dim=(0, 2, 3)))
    assert (result.training, result[1].training, result[1].momentum) == (False, False, 0.3)
    result(batches[1])  # what it sees later is not added
    assert not result[1]._forward_pre_hooks


def test_bfloat16_is_added_up_precisely(batches):
    rounded = [batch.bfloat16() for batch in batches]
    layer = nn.BatchNorm2d(2, affine=False)
    result = renewed(layer, rounded, forward)
    variance, mean = torch.var_mean(torch.cat(rounded).double(), dim=(0, 2, 3))
    torch.testing.assert_close(result.running_mean.double(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(result.running_var.double(), variance, rtol=1e-5, atol=0)


def test_workers_that_synchronise_in_training_compute_them_alone(batches, monkeypatch):
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    expected = renewed(network, batches, forward).state_dict()
    alike_workers.two(monkeypatch)
    ours = synchronised(network)
    monkeypatch.setattr(dist, "all_gather", None)  # no call of it can succeed
    result = renewed(ours, batches, forward)
    assert type(ours[0]) is SynchronisedBatchNorm2d
    assert all(torch.equal(value, expected[name]) for name, value in result.state_dict().items())
    with pytest.raises(ValueError, match="more than 1 value per channel"):  # not a variance of 0 / 0
        renewed(ours, [torch.zeros(1, 2, 1, 1)], forward)
