import pytest
import torch
from torch import nn

from pipeline.core import averaging


def norm(value, steps):
    """A batch normalisation whose every number is `value`."""
    model = nn.BatchNorm2d(1)
    for tensor in (model.weight, model.bias, model.running_mean, model.running_var):
        tensor.data.fill_(value)
    model.num_batches_tracked.fill_(steps)
    return model


def test_the_average_moves_by_what_is_left_of_the_decay():
    average = norm(1.0, 5)
    averaging.update(average, norm(3.0, 6), decay=0.75, step=10**6)
    assert [float(value) for value in average.state_dict().values()] == [1.5, 1.5, 1.5, 1.5, 6]


def test_the_first_weights_are_soon_forgotten():
    average = norm(0.0, 0)
    averaging.update(average, norm(1.0, 1), decay=0.999, step=0)
    assert average.weight.item() == pytest.approx(0.9)
    averaging.update(average, norm(2.0, 2), decay=0.999, step=1)  # 2/11 of 0.9 and 9/11 of 2
    assert average.weight.item() == pytest.approx((2 * 0.9 + 9 * 2) / 11)


def test_the_average_is_no_part_of_the_graph():
    average, model = norm(0.0, 0), norm(1.0, 1)
    averaging.update(average, model, decay=0.5, step=0)
    assert average.weight.grad_fn is None
    assert torch.equal(model.weight, torch.ones(1))
