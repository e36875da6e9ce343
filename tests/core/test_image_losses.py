"""Losses of whole images against cases worked by hand, and against their definitions in plain loops."""

import pytest
import torch

from pipeline.core.image_losses import IMAGE_LOSSES, dice, lovasz_softmax, num_images

VOID = 2


def three_pixels():
    """Pixel 1: class 1 with probability 0.6; pixel 2: class 0 with 0.7; pixel 3: void."""
    probabilities = torch.tensor([[0.4, 0.7, 0.9], [0.6, 0.3, 0.1]], dtype=torch.float64)
    return probabilities.log().reshape(1, 2, 1, 3), torch.tensor([[[1, 0, VOID]]])


def test_lovasz_softmax_worked_by_hand():
    # Class 1: errors 0.4 (its pixel) and 0.3; wrong first pixel: Jaccard loss 1, wrong both: 1; so 0.4 * 1 + 0.3 * 0.
    # Class 0: errors 0.4 and 0.3 (its pixel); 1/2, then 1; so 0.4 / 2 + 0.3 / 2.
    assert lovasz_softmax(*three_pixels()).item() == pytest.approx((0.4 + 0.35) / 2)


def test_dice_worked_by_hand():
    # Class 1: 2 * 0.6 of 0.6 + 0.3 + 1; class 0: 2 * 0.7 of 0.4 + 0.7 + 1.
    assert dice(*three_pixels()).item() == pytest.approx((1 - 1.2 / 1.9 + 1 - 1.4 / 2.1) / 2)


def batch():
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(3, 4, 5, 6, generator=generator, dtype=torch.float64).requires_grad_()
    target = torch.randint(0, 5, (3, 5, 6), generator=generator)
    target[1][target[1] == 2] = 0  # an image without a class
    return logits, target


def lovasz_extension(errors, shown):
    """The definition: each error times what its pixel adds to the Jaccard loss of the set of wrong pixels."""
    total, wrong, before = 0.0, set(), 0.0
    for error, pixel in sorted(((error, i) for i, error in enumerate(errors)), reverse=True):
        wrong.add(pixel)
        loss = len(wrong) / len(shown | wrong)
        total, before = total + error * (loss - before), loss
    return total


def test_lovasz_softmax_is_the_mean_of_the_lovasz_extensions_of_the_classes_shown():
    logits, target = batch()
    expected = 0.0
    for image, mask in zip(logits.softmax(dim=1).detach(), target, strict=True):
        labelled = [(y, x) for y in range(5) for x in range(6) if mask[y, x] != 4]
        losses = []
        for c in range(4):
            shown = {i for i, (y, x) in enumerate(labelled) if mask[y, x] == c}
            errors = [1 - image[c, y, x] if mask[y, x] == c else image[c, y, x] for y, x in labelled]
            if shown:
                losses.append(lovasz_extension([error.item() for error in errors], shown))
        expected += sum(losses) / len(losses)
    assert lovasz_softmax(logits, target).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", IMAGE_LOSSES.values(), ids=IMAGE_LOSSES)
def test_a_batch_has_the_loss_and_the_gradient_of_its_images(loss):
    logits, target = batch()
    alone = [loss(logits[i : i + 1], target[i : i + 1]) for i in range(3)]
    whole = loss(logits, target)
    assert whole.item() == pytest.approx(sum(each.item() for each in alone))
    (gradient,) = torch.autograd.grad(whole, logits)
    (expected,) = torch.autograd.grad(sum(alone), logits)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("loss", IMAGE_LOSSES.values(), ids=IMAGE_LOSSES)
def test_gradients_are_those_of_small_differences(loss):
    logits, target = batch()
    assert torch.autograd.gradcheck(lambda values: loss(values, target), logits)


@pytest.mark.parametrize("loss", IMAGE_LOSSES.values(), ids=IMAGE_LOSSES)
def test_void_pixels_do_not_count(loss):
    logits, target = batch()
    changed = logits.detach().clone().requires_grad_()
    is_void = (target == 4)[:, None].expand_as(logits)
    changed.data[is_void] = 7.0
    assert loss(changed, target).item() == pytest.approx(loss(logits, target).item())
    loss(changed, target).backward()
    assert not changed.grad[is_void].any()


@pytest.mark.parametrize("loss", IMAGE_LOSSES.values(), ids=IMAGE_LOSSES)
def test_an_image_of_void_adds_nothing_and_has_no_gradient(loss):
    logits, target = batch()
    target[:] = 4
    value = loss(logits, target)
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("loss", IMAGE_LOSSES.values(), ids=IMAGE_LOSSES)
def test_a_certain_and_right_prediction_costs_nothing_and_a_wrong_one_all(loss):
    target = torch.tensor([[[0, 1, 1, VOID]]])
    logits = torch.nn.functional.one_hot(target.clamp(max=1), 2).permute(0, 3, 1, 2) * 1e3
    assert loss(logits, target).item() == pytest.approx(0)
    assert loss(-logits, target).item() == pytest.approx(1)


def test_images_with_a_labelled_pixel_are_counted():
    target = torch.full((3, 2, 2), VOID)
    target[1, 0, 0] = 0
    assert num_images(target, VOID).item() == 1
