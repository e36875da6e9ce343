import math

import pytest
import torch
import torch.nn.functional as F

from pipeline.core.losses import LOSSES, cross_entropy, focal, hard_pixels, pixel_loss, pixel_weights


def test_two_pixels_worked_by_hand():
    # Pixel 1: class 0 with probability 3/4; pixel 2: class 1 with probability 1/2; pixel 3: void.
    logits = torch.tensor([[math.log(3), 0.0, 5.0], [0.0, 0.0, -5.0]]).reshape(1, 2, 1, 3)
    target = torch.tensor([[[0, 1, 2]]])
    weights = pixel_weights(target, torch.tensor([2.0, 10.0]))
    loss, plain = cross_entropy(logits, target, weights)
    assert loss.item() == pytest.approx(-2 * math.log(0.75) - 10 * math.log(0.5), rel=1e-6)
    assert plain.item() == pytest.approx(-math.log(0.75) - math.log(0.5), rel=1e-6)
    assert weights.tolist() == [[[2, 10, 0]]]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_quotient_is_pytorchs_weighted_mean(layout):
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(2, 5, 6, 7, generator=generator).contiguous(memory_format=layout).requires_grad_()
    target = torch.randint(0, 6, (2, 6, 7), generator=generator)
    weights = torch.tensor([0.2, 1.0, 3.0, 0.5, 9.0])
    of_pixels = pixel_weights(target, weights)
    loss, plain = cross_entropy(logits, target, of_pixels)
    expected = F.cross_entropy(logits, target, weights, ignore_index=5)
    assert (loss / of_pixels.sum()).item() == pytest.approx(expected.item(), rel=1e-6)
    unweighted = F.cross_entropy(logits, target, ignore_index=5, reduction="sum")
    assert plain.item() == pytest.approx(unweighted.item(), rel=1e-6)
    assert not plain.requires_grad
    (gradient,) = torch.autograd.grad(loss / of_pixels.sum(), logits)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, expected_gradient)


def three_pixels():
    """Pixel 1: class 0 with probability 3/4; pixel 2: class 1 with probability 1/2; pixel 3: void; weights 2 and 10."""
    logits = torch.tensor([[math.log(3), 0.0, 5.0], [0.0, 0.0, -5.0]], dtype=torch.float64).reshape(1, 2, 1, 3)
    target = torch.tensor([[[0, 1, 2]]])
    return logits, target, pixel_weights(target, torch.tensor([2.0, 10.0], dtype=torch.float64))


def test_focal_loss_worked_by_hand():
    loss, plain = focal(*three_pixels())
    first, second = -(0.25**2) * math.log(0.75), -(0.5**2) * math.log(0.5)
    assert (loss.item(), plain.item()) == pytest.approx((2 * first + 10 * second, first + second))


def test_only_pixels_whose_class_has_a_probability_below_seven_tenths_are_hard():
    loss, plain = hard_pixels(*three_pixels())
    assert (loss.item(), plain.item()) == pytest.approx((-10 * math.log(0.5), -math.log(0.5)))


def test_smoothing_spreads_a_share_of_the_target_over_all_classes():
    loss, plain = pixel_loss("cross_entropy", 0.2)(*three_pixels())
    first = -0.9 * math.log(0.75) - 0.1 * math.log(0.25)
    second = -math.log(0.5)
    assert (loss.item(), plain.item()) == pytest.approx((2 * first + 10 * second, first + second))


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_has_the_loss_and_the_gradient_of_its_halves(name):
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(4, 3, 6, 7, generator=generator, dtype=torch.float64).requires_grad_()
    target = torch.randint(0, 4, (4, 6, 7), generator=generator)
    weights = pixel_weights(target, torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64))
    loss = pixel_loss(name, 0.0)
    whole = loss(logits, target, weights)
    halves = [loss(logits[part], target[part], weights[part]) for part in (slice(0, 2), slice(2, 4))]
    for i in range(2):
        assert whole[i].item() == pytest.approx(halves[0][i].item() + halves[1][i].item())
    (gradient,) = torch.autograd.grad(whole[0], logits)
    (expected,) = torch.autograd.grad(halves[0][0] + halves[1][0], logits)
    torch.testing.assert_close(gradient, expected)
    assert not whole[1].requires_grad


@pytest.mark.parametrize("loss_of_pixels", [*LOSSES.values(), pixel_loss("cross_entropy", 0.1)])
def test_void_alone_adds_nothing_and_has_no_gradient(loss_of_pixels):
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    target = torch.full((1, 4, 4), 3)
    weights = pixel_weights(target, torch.ones(3))
    loss, plain = loss_of_pixels(logits, target, weights)
    loss.backward()
    assert (loss.item(), plain.item(), weights.sum().item()) == (0, 0, 0)
    assert not logits.grad.any()


def test_bfloat16_logits_are_summed_in_float32():
    logits = torch.zeros(1, 2, 64, 64, dtype=torch.bfloat16)
    loss, plain = cross_entropy(logits, torch.zeros(1, 64, 64, dtype=torch.long), torch.ones(1, 64, 64))
    assert loss.dtype == plain.dtype == torch.float32
    assert loss.item() == pytest.approx(4096 * math.log(2), rel=1e-6)
