"""Batch normalisation over two workers whose batches are alike: as if one normalised both.

tests/training/test_trainer.py tests with real processes that N workers normalise as one would.
"""

from copy import deepcopy

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.core.sync_batch_norm import SynchronisedBatchNorm2d, _Normalise, synchronised
from tests.support import alike_workers


def test_without_a_process_group_there_is_nothing_to_synchronise_over():
    with pytest.raises(RuntimeError, match="expected an initialised process group to synchronise"):
        synchronised(nn.Sequential(nn.BatchNorm2d(3)))


@pytest.fixture
def two_workers(monkeypatch):
    """Make another worker give what this one gives."""
    alike_workers.two(monkeypatch)


def network(dtype=torch.float64):
    """A network with values of its own in all tensors of its normalisation."""
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(4, eps=0.01, momentum=0.3)
    for tensor in norm.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) + 0.5)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.ModuleList([norm])).to(dtype)


def normalised(model, x):
    """The output, and the gradients of a weighted sum of it."""
    x = x.clone().requires_grad_()
    y = model[1][0](model[0](x))
    weight = torch.linspace(-1, 2, y[:3].numel(), dtype=y.dtype).view(y[:3].shape).repeat(len(y) // 3, 1, 1, 1)
    (y * weight).sum().backward()
    return y, x.grad


def test_two_workers_normalise_as_one_would(two_workers):
    expected, x = network(), torch.rand(3, 3, 4, 5, dtype=torch.float64) * 9
    ours = synchronised(deepcopy(expected))
    assert type(ours[1][0]) is SynchronisedBatchNorm2d
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in ours.state_dict().items())
    (y, gradient), (both, of_both) = normalised(ours, x), normalised(expected, torch.cat([x, x]))
    torch.testing.assert_close(y, both[:3])
    torch.testing.assert_close(gradient, of_both[:3])
    for (name, mine), theirs in zip(ours.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(2 * mine.grad, theirs.grad, msg=lambda text, name=name: name + text)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    for each in (ours, expected):
        each.eval()
    torch.testing.assert_close(normalised(ours, x)[0], normalised(expected, x)[0])


@pytest.mark.parametrize("is_channels_last", [False, True])
def test_a_worker_of_another_batch_of_another_size_counts_by_its_values(two_workers, monkeypatch, is_channels_last):
    torch.manual_seed(1)
    x, other = torch.randn(3, 4, 4, 5) * 5 + 100, torch.randn(1, 4, 9, 2) * 2 + 97
    whole = torch.cat([each.transpose(0, 1).flatten(1) for each in (x, other)], dim=1)  # (4, 60 + 18)
    sent = torch.cat([torch.tensor([18.0]), other.mean(dim=(0, 2, 3)), other.var(dim=(0, 2, 3), unbiased=False)])
    monkeypatch.setattr(dist, "all_gather", lambda gathered, own: [gathered[0].copy_(own), gathered[1].copy_(sent)])
    norm = synchronised(network(torch.float32)[1])[0]
    before = norm.running_var.clone()
    y = norm(x.to(memory_format=torch.channels_last) if is_channels_last else x)
    scale, shift = norm.weight.detach()[:, None], norm.bias.detach()[:, None]
    variance, mean = torch.var_mean(whole.double(), dim=1, keepdim=True, correction=0)
    expected = (whole - mean) / (variance + 0.01).sqrt() * scale + shift
    torch.testing.assert_close(y.detach().transpose(0, 1).flatten(1), expected[:, :60].float(), rtol=1e-5, atol=1e-4)
    unbiased = 78 / 77 * variance[:, 0].float()
    torch.testing.assert_close(norm.running_var, 0.7 * before + 0.3 * unbiased)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_normalised_in_single_precision(two_workers, dtype):
    ours, expected = synchronised(network(torch.float32)[1])[0], network(torch.float32)[1][0]
    x = (torch.rand(3, 4, 16, 16) * 9 + 200).to(dtype)
    y = ours(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y, expected(torch.cat([x, x]).float())[:3].to(dtype))
    torch.testing.assert_close(ours.running_mean, expected.running_mean)


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 2**-8), (torch.float16, 2**-11)])
def test_a_gradient_in_half_precision_is_off_by_its_roundings_alone(two_workers, dtype, most):
    torch.manual_seed(1)
    x, weight = torch.randn(3, 4, 16, 16).to(dtype), torch.randn(3, 4, 16, 16)
    ours, exact = synchronised(network(torch.float32)[1])[0], network(torch.float64)[1][0]
    mine, precise = x.clone().requires_grad_(), torch.cat([x, x]).double().requires_grad_()
    ours(mine).backward(weight.to(dtype))
    exact(precise).backward(torch.cat([weight, weight]).to(dtype).double())
    expected = precise.grad[:3]
    assert mine.grad.dtype == dtype
    assert (mine.grad.double() - expected).norm() < most * expected.norm()


class Given(TorchDispatchMode):
    """Records what is given to normalisation's own backward pass."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation is torch.ops.aten.native_batch_norm_backward.default:
            self.running, self.saved, self.eps = args[3:5], args[5:7], args[8]
        return operation(*args, **(kwargs or {}))


def test_statistics_are_given_in_both_ways_since_a_kernel_reads_one_of_them(two_workers):
    """That for CPUs the running ones, that for GPUs in channels_last the saved ones, without which it fails."""
    x = torch.rand(3, 4, 8, 8).requires_grad_()
    y = synchronised(network(torch.float32)[1])[0](x)
    with Given() as given:
        y.sum().backward()
    (mean, variance), (saved_mean, saved_inverse) = given.running, given.saved
    torch.testing.assert_close(mean, x.detach().mean(dim=(0, 2, 3)))
    torch.testing.assert_close(saved_mean, mean)
    torch.testing.assert_close(saved_inverse, 1 / (variance + 0.01).sqrt())
    assert given.eps == 0.01


def test_only_batch_normalisation_of_images_is_synchronised(two_workers):
    model = synchronised(nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.Dropout2d()))
    assert [type(module) for module in model] == [nn.BatchNorm1d, SynchronisedBatchNorm2d, nn.Dropout2d]
    assert (model[1].eps, model[1].momentum, model[1].num_features) == (1e-5, 0.1, 2)


class Context:
    """What autograd gives a function."""

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors):
        assert tensors


def shapes_of_statistics(x_NCHW, mean_C, variance_C, momentum):
    """What torch.batch_norm_update_stats returns, for which PyTorch 2.13 has no rule of its own."""
    assert x_NCHW.device == mean_C.device == variance_C.device
    return torch.empty_like(mean_C), torch.empty_like(variance_C)


def test_everything_stays_on_the_device_and_no_value_is_asked_for(two_workers, monkeypatch):
    """The device `meta` has shapes alone: PyTorch raises where a value would be needed."""
    monkeypatch.setattr(torch, "batch_norm_update_stats", shapes_of_statistics)
    x = torch.empty(2, 4, 8, 6, dtype=torch.bfloat16, device="meta").to(memory_format=torch.channels_last)
    weight, context = torch.ones(4, device="meta"), Context()
    y, mean, variance, count = _Normalise.forward(context, x, weight, weight, 1e-5)
    gradients = _Normalise.backward(context, torch.empty_like(y))
    assert (y.shape, y.dtype, mean.dtype) == (x.shape, torch.bfloat16, torch.float32)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert {each.device.type for each in (y, mean, variance, count, *gradients[:3])} == {"meta"}
