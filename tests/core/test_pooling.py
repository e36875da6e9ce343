"""Pooling and unpooling against PyTorch's own, bit for bit."""

import itertools
import shutil

import pytest
import torch
import torch.nn.functional as F

from pipeline.core.pooling import pool, unpool
from pipeline.core.pooling_plain import unpacked

LAYOUTS = [torch.contiguous_format, torch.channels_last]
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
SPECIAL = {"ties": 1.0, "nan": float("nan"), "minus infinity": float("-inf"), "minus nought": -0.0}


def flat_indices(codes, channels, size):
    """The int64 indices that PyTorch would return: row-major in the pooled plane."""
    codes = unpacked(codes, channels)
    rows = 2 * torch.arange(codes.shape[2])[:, None] + codes // 2
    columns = 2 * torch.arange(codes.shape[3]) + codes % 2
    return rows * size[1] + columns


def assert_same_bits(actual, expected):
    assert actual.dtype == expected.dtype
    integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[actual.element_size()]
    assert torch.equal(actual.contiguous().view(integers), expected.contiguous().view(integers))


def assert_equal_to_pytorchs(x, layout):
    size, channels = tuple(x.shape[2:]), x.shape[1]
    mine, theirs = (x.clone(memory_format=layout).requires_grad_() for _ in range(2))
    y, codes = pool(mine)
    expected, indices = F.max_pool2d(theirs, 2, ceil_mode=True, return_indices=True)
    assert_same_bits(y, expected)
    assert torch.equal(flat_indices(codes, channels, size), indices)

    back, expected_back = unpool(y, codes, size), F.max_unpool2d(expected, indices, 2, output_size=size)
    assert_same_bits(back, expected_back)

    weight = torch.randn(back.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    for mine_out, their_out in ((y, expected), (back, expected_back)):
        scale = weight if mine_out is back else weight[:, :, : y.shape[2], : y.shape[3]]
        grads = [
            torch.autograd.grad(out, leaf, scale, retain_graph=True)[0]
            for out, leaf in ((mine_out, mine), (their_out, theirs))
        ]
        assert_same_bits(*grads)


def few_values(shape, special, dtype):
    """Three distinct values, one of them special: most windows hold a tie."""
    x = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)
    return torch.where(x == 2, torch.tensor(SPECIAL[special], dtype=dtype), x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_small_sizes_equal_pytorchs_in_values_places_and_gradients(dtype, layout):
    kinds, sides = itertools.cycle(SPECIAL), [*range(1, 13), 16, 17, 31, 32, 33]
    for height, width in itertools.product(sides, repeat=2):
        assert_equal_to_pytorchs(few_values((2, 4, height, width), next(kinds), dtype), layout)


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3, 4, 6, 64])
def test_every_number_of_channels_equals_pytorchs(channels, layout, special):
    for size in ((6, 8), (5, 7), (1, 9), (9, 1)):
        assert_equal_to_pytorchs(few_values((3, channels, *size), special, torch.float32), layout)


@pytest.mark.parametrize(
    "shape", [(2, 4, 201, 203), (1, 4, 4, 8191), (1, 4, 4, 8192), (1, 4, 3, 17000), (1, 64, 70, 480), (3, 512, 23, 30)]
)
def test_tensors_of_several_strips_equal_pytorchs(shape):
    assert_equal_to_pytorchs(few_values(shape, "nan", torch.float32), torch.channels_last)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_values_that_begin_anywhere_in_memory_equal_pytorchs(first, dtype):
    """Four values of two bytes are taken for one integer, which cannot begin at any of them."""
    count = 2 * 4 * 5 * 6
    memory = few_values((count + first,), "nan", dtype)[first:].view(2, 5, 6, 4)
    pooled = pool(memory.permute(0, 3, 1, 2))
    expected, indices = F.max_pool2d(memory.permute(0, 3, 1, 2), 2, ceil_mode=True, return_indices=True)
    assert_same_bits(pooled[0], expected)
    moved = torch.empty(expected.numel() + first, dtype=dtype)[first:].view(2, 3, 3, 4).permute(0, 3, 1, 2)
    assert_same_bits(
        unpool(moved.copy_(expected), pooled[1], (5, 6)), F.max_unpool2d(expected, indices, 2, 2, 0, (5, 6))
    )


def test_no_images_are_pooled_to_none():
    y, codes = pool(torch.zeros(0, 4, 5, 6))
    assert y.shape == (0, 4, 3, 3)
    assert unpool(y, codes, (5, 6)).shape == (0, 4, 5, 6)


def test_a_2x2_window_worked_by_hand():
    y, codes = pool(torch.tensor([[1.0, 5.0], [5.0, 2.0]]).reshape(1, 1, 2, 2))
    assert (y.item(), codes.item()) == (5.0, 1)  # the first of the two fives
    assert unpool(y, codes, (2, 2)).tolist() == [[[[0, 5], [0, 0]]]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_byte_holds_the_codes_of_four_channels(layout):
    x = torch.zeros(1, 8, 2, 2).to(memory_format=layout)
    for channel, place in enumerate([1, 2, 3, 0, 3, 3, 3, 3]):
        x[0, channel, place // 2, place % 2] = 1
    _, codes = pool(x)
    assert codes.flatten().tolist() == [1 + 4 * 2 + 16 * 3, 255]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_kept_for_the_backward_pass_and_the_decoder_is_2_bits_a_pooled_value(layout):
    x = torch.randn(2, 8, 12, 12).to(memory_format=layout).requires_grad_()
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(t.data_ptr(), t), lambda t: t):
        y, codes = pool(x)
        unpool(y, codes, (12, 12))
    assert [t.nbytes for t in kept.values()] == [codes.nbytes] == [2 * 8 * 6 * 6 // 4]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_agree_with_finite_differences(layout):
    x = torch.randn(1, 4, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    x = x.to(memory_format=layout).requires_grad_()

    def both(x):
        return unpool(*pool(x), (5, 4)) * x

    assert torch.autograd.gradcheck(both, x)
    assert torch.autograd.gradgradcheck(both, x)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_runs_where_only_deterministic_algorithms_may(layout):
    torch.use_deterministic_algorithms(True)
    try:
        x = torch.randn(2, 4, 7, 6).to(memory_format=layout).requires_grad_()
        unpool(*pool(x), (7, 6)).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert x.grad.sum() == 2 * 4 * 4 * 3  # a one for each window


def test_it_pools_what_autocast_gives():
    convolution = torch.nn.Conv2d(3, 4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        x = convolution(torch.randn(1, 3, 9, 9))
        y, codes = pool(x)
        back = unpool(y, codes, (7, 7))
    back.sum().backward()
    assert (y.dtype, back.dtype) == (torch.bfloat16, torch.bfloat16)
    assert convolution.weight.grad.isfinite().all()


class Both(torch.nn.Module):
    """Pools and unpools."""

    def forward(self, x):
        """Return x where it is the maximum of its window, zero elsewhere."""
        y, codes = pool(x)
        return unpool(y, codes, (x.shape[2], x.shape[3]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own, in torch 2.13
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_it_compiles_without_a_graph_break():
    compiled = torch.compile(Both(), fullgraph=True)
    for size, layout in zip(((6, 8), (7, 5)), LAYOUTS, strict=True):
        x = few_values((2, 4, *size), "nan", torch.float32).to(memory_format=layout)
        mine, theirs = (x.clone().requires_grad_() for _ in range(2))
        actual, expected = compiled(mine), Both()(theirs)
        assert_same_bits(actual, expected)
        actual.nansum().backward()
        expected.nansum().backward()
        assert_same_bits(mine.grad, theirs.grad)


def test_unpooling_to_another_size_is_refused():
    y, codes = pool(torch.zeros(1, 1, 6, 6))
    with pytest.raises(ValueError, match=r"expected values \(N, C, 4, 3\) and codes \(N, ceil\(C/4\), 4, 3\) to"):
        unpool(y, codes, (7, 6))


@pytest.mark.parametrize("shape", [(2, 1, 3, 3), (1, 2, 3, 3), (1, 1, 2, 3), (1, 1, 3, 2)])
def test_codes_of_another_pool_are_refused(shape):
    y, codes = pool(torch.zeros(1, 4, 6, 6))
    assert unpool(y, codes, (5, 6)).shape == (1, 4, 5, 6)
    with pytest.raises(
        ValueError, match=r"to unpool to 6 x 6, got \(1, 4, 3, 3\) and \(.*\); pass the codes and the si"
    ):
        unpool(y, codes.new_zeros(shape), (6, 6))


def test_an_exported_graph_pools_with_places(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    x = few_values((2, 3, 5, 8), "ties", torch.float32)
    y, places = pool(x)
    expected, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    assert torch.equal(y, expected)
    assert torch.equal(places, indices)
    assert torch.equal(unpool(y, places, (5, 8)), F.max_unpool2d(y, indices, 2, output_size=(5, 8)))
