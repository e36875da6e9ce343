import math

import pytest
import torch
import torch.nn.functional as F

from pipeline.core.losses import cross_entropy


def test_two_pixels_worked_by_hand():
    # Pixel 1: class 0 with probability 3/4; pixel 2: class 1 with probability 1/2; pixel 3: void.
    logits = torch.tensor([[math.log(3), 0.0, 5.0], [0.0, 0.0, -5.0]]).reshape(1, 2, 1, 3)
    target = torch.tensor([[[0, 1, 2]]])
    loss, weight = cross_entropy(logits, target, torch.tensor([2.0, 10.0]))
    assert loss.item() == pytest.approx(-2 * math.log(0.75) - 10 * math.log(0.5), rel=1e-6)
    assert weight.item() == 12


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_quotient_is_pytorchs_weighted_mean(layout):
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(2, 5, 6, 7, generator=generator).contiguous(memory_format=layout).requires_grad_()
    target = torch.randint(0, 6, (2, 6, 7), generator=generator)
    weights = torch.tensor([0.2, 1.0, 3.0, 0.5, 9.0])
    loss, weight = cross_entropy(logits, target, weights)
    expected = F.cross_entropy(logits, target, weights, ignore_index=5)
    assert (loss / weight).item() == pytest.approx(expected.item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss / weight, logits)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, expected_gradient)


def test_void_alone_adds_nothing_and_has_no_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss, weight = cross_entropy(logits, torch.full((1, 4, 4), 3), torch.ones(3))
    loss.backward()
    assert (loss.item(), weight.item()) == (0, 0)
    assert not logits.grad.any()


def test_bfloat16_logits_are_summed_in_float32():
    logits = torch.zeros(1, 2, 64, 64, dtype=torch.bfloat16)
    loss, _ = cross_entropy(logits, torch.zeros(1, 64, 64, dtype=torch.long), torch.ones(2))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(4096 * math.log(2), rel=1e-6)
