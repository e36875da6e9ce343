"""Pooling and unpooling against PyTorch's own, bit for bit."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.core.pooling import pool, unpool

SIZES = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5), (5, 3), (8, 8), (23, 30), (33, 33)]


def flat_indices(codes, size):
    """The int64 indices that PyTorch would give: row-major in the plane that was pooled."""
    rows = 2 * torch.arange(codes.shape[2])[:, None] + codes // 2
    columns = 2 * torch.arange(codes.shape[3]) + codes % 2
    return rows * size[1] + columns


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", SIZES)
def test_values_places_and_gradients_equal_pytorchs(size, layout):
    # Few distinct values: most windows hold a tie.
    x = torch.randint(0, 3, (2, 4, *size), generator=torch.Generator().manual_seed(1)).float()
    x = x.contiguous(memory_format=layout)
    mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()

    y, codes = pool(mine)
    expected, indices = F.max_pool2d(theirs, 2, ceil_mode=True, return_indices=True)
    assert torch.equal(y, expected)
    assert torch.equal(flat_indices(codes, size), indices)
    assert codes.dtype == torch.uint8

    back, expected_back = unpool(y * 2, codes, size), F.max_unpool2d(expected * 2, indices, 2, output_size=size)
    assert torch.equal(back, expected_back)

    weight = torch.randn(back.shape, generator=torch.Generator().manual_seed(2))
    (back * weight).sum().backward()
    (expected_back * weight).sum().backward()
    assert torch.equal(mine.grad, theirs.grad)


def test_nan_and_minus_infinity_are_pooled_as_pytorch_does():
    nan, inf = float("nan"), float("inf")
    x = torch.tensor([[nan, 1, -inf, -inf], [2, nan, -inf, -inf], [3, 9, nan, 1], [9, 3, 5, 2]]).reshape(1, 1, 4, 4)
    y, codes = pool(x)
    expected, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    assert torch.equal(y.nan_to_num(7), expected.nan_to_num(7))
    assert torch.equal(flat_indices(codes, (4, 4)), indices)


def test_a_2x2_window_worked_by_hand():
    y, codes = pool(torch.tensor([[1.0, 5.0], [5.0, 2.0]]).reshape(1, 1, 2, 2))
    assert (y.item(), codes.item()) == (5.0, 1)  # the first of the two fives
    assert unpool(y, codes, (2, 2)).tolist() == [[[[0, 5], [0, 0]]]]


def test_gradients_agree_with_finite_differences():
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: unpool(*pool(x), (5, 4)) * x, x)


def test_unpooling_to_another_size_is_refused():
    y, codes = pool(torch.zeros(1, 1, 6, 6))
    with pytest.raises(ValueError, match=r"expected values and codes \(N, C, 4, 3\) to unpool to 7 x 6, got"):
        unpool(y, codes, (7, 6))
